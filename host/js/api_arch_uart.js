// What api_uart.js of the library mjs asks of a platform: settings that only its UARTs have. Those
// of the host have none.
UART._arch = {
  scfg: function(uartNo, cfg, param) {},
};
