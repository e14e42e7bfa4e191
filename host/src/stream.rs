//! What a connection reads from and writes to: plain TCP and UDP here, TLS as a layer over TCP.
//! Never blocks, never calls back, knows nothing of connections and events.

use std::{fmt, io, mem::MaybeUninit, net::SocketAddr, os::fd::RawFd};

use embedded_io::{ErrorKind, ErrorType, Read, Write};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Why a stream could not continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamError {
    /// Would block until the socket is readable.
    WantRead,
    /// Would block until the socket is writable.
    WantWrite,
    /// Failed with the system's `errno`.
    Os(i32),
    /// Failed with mbedTLS's error number. `Stream::explain` describes it.
    Tls(i32),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::WantRead => f.write_str("nothing to read yet"),
            StreamError::WantWrite => f.write_str("no room to write yet"),
            StreamError::Os(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
            StreamError::Tls(code) => write!(f, "mbedTLS -0x{:04x}", -code),
        }
    }
}

impl std::error::Error for StreamError {}

impl embedded_io::Error for StreamError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// A non-blocking byte stream over a socket. `read` returns `Ok(0)` at its end; an operation that
/// would block returns `WantRead` or `WantWrite`.
pub(crate) trait Stream: Read + Write + ErrorType<Error = StreamError> {
    /// The socket, for readiness.
    fn fd(&self) -> RawFd;

    /// After `connect()`, once: 0 or the resulting `errno`.
    fn connect_result(&mut self) -> i32;

    /// Continues the handshake of a layer above TCP; `Ok` once it is complete. Called for
    /// connections with MG_F_SSL only.
    fn handshake(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    /// Why it failed, for the log, after an error other than would-block.
    fn explain(&self, e: StreamError) -> String {
        e.to_string()
    }

    /// The negotiated parameters, for the log.
    fn summary(&self) -> String {
        String::new()
    }

    /// Closes the protocol, if it has a message for that. The socket is closed next.
    fn close_notify(&mut self) {}

    /// On a listening socket: accepts the next client.
    fn accept(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), StreamError>;

    /// The local address.
    fn local_addr(&self) -> Option<SocketAddr>;
}

/// Plain TCP.
pub(crate) struct Tcp(Socket);

impl Tcp {
    /// Starts to connect. An error is one that occurred immediately.
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Tcp> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Sends small packets immediately; otherwise each would wait for an earlier one's ACK.
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(to)) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
            _ => Ok(Tcp(socket)),
        }
    }

    /// Listens.
    pub(crate) fn listen(at: SocketAddr) -> io::Result<Tcp> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(at))?;
        socket.listen(128)?;
        Ok(Tcp(socket))
    }

    /// Takes over a socket created by the app.
    ///
    /// # Safety
    /// `fd` is an open socket that nothing else closes.
    pub(crate) unsafe fn from_fd(fd: RawFd) -> io::Result<Tcp> {
        use std::os::fd::FromRawFd;
        // SAFETY: upheld by the caller, see `# Safety`.
        let socket = unsafe { Socket::from_raw_fd(fd) };
        match socket.set_nonblocking(true) {
            Ok(()) => Ok(Tcp(socket)),
            Err(e) => {
                std::mem::forget(socket);
                Err(e)
            }
        }
    }
}

fn errno(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

fn waits(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl ErrorType for Tcp {
    type Error = StreamError;
}

impl Read for Tcp {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StreamError> {
        // SAFETY: initialised bytes may be viewed as MaybeUninit, as recv() writes only initialised
        // ones.
        let buf = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
        self.0.recv(buf).map_err(|e| match waits(&e) {
            true => StreamError::WantRead,
            false => StreamError::Os(errno(&e)),
        })
    }
}

impl Write for Tcp {
    fn write(&mut self, buf: &[u8]) -> Result<usize, StreamError> {
        // No SIGPIPE if the peer is gone.
        self.0.send_with_flags(buf, libc::MSG_NOSIGNAL).map_err(|e| match waits(&e) {
            true => StreamError::WantWrite,
            false => StreamError::Os(errno(&e)),
        })
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }
}

impl Stream for Tcp {
    fn fd(&self) -> RawFd {
        use std::os::fd::AsRawFd;
        self.0.as_raw_fd()
    }

    fn connect_result(&mut self) -> i32 {
        match self.0.take_error() {
            Ok(None) => 0,
            Ok(Some(e)) | Err(e) => errno(&e),
        }
    }

    fn accept(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), StreamError> {
        let (socket, from) = self.0.accept().map_err(|e| match waits(&e) {
            true => StreamError::WantRead,
            false => StreamError::Os(errno(&e)),
        })?;
        let prepared = socket.set_nonblocking(true).and_then(|()| socket.set_tcp_nodelay(true));
        prepared.map_err(|e| StreamError::Os(errno(&e)))?;
        let from = from.as_socket().ok_or(StreamError::Os(libc::EAFNOSUPPORT))?;
        Ok((Box::new(Tcp(socket)), from))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()?.as_socket()
    }
}

/// A UDP client: each read and write is one datagram.
pub(crate) struct Udp(Tcp);

impl Udp {
    /// Sets the peer. Nothing is sent.
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::from(to))?;
        Ok(Udp(Tcp(socket)))
    }
}

impl ErrorType for Udp {
    type Error = StreamError;
}

impl Read for Udp {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StreamError> {
        match self.0.read(buf)? {
            // An empty datagram is not an end.
            0 => Err(StreamError::WantRead),
            len => Ok(len),
        }
    }
}

impl Write for Udp {
    fn write(&mut self, buf: &[u8]) -> Result<usize, StreamError> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }
}

impl Stream for Udp {
    fn fd(&self) -> RawFd {
        self.0.fd()
    }

    fn connect_result(&mut self) -> i32 {
        self.0.connect_result()
    }

    fn accept(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), StreamError> {
        Err(StreamError::Os(libc::EOPNOTSUPP))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr()
    }
}
