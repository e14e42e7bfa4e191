//! The life cycle of an app on the host: arguments, configuration, libraries, mgos_app_init(), main
//! loop, shutdown. Everything that needs symbols of the app's own build is here and in config/.

use std::{
    ffi::CStr,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use libc::{c_char, c_int};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    abi, alloc_faults, config, device,
    events::{self, INIT_DONE},
    global::{self, mgos_get_mgr, mongoose_schedule_poll},
    log::log,
    mgr, name_server, net, system, timers, tls, trace,
};

/// Longest wait of a round, and so the longest time between MG_EV_POLLs.
const ROUND_MS: c_int = 100;

/// `struct mgos_host_lib`
#[repr(C)]
struct Lib {
    name: *const c_char,
    init: Option<unsafe extern "C" fn() -> bool>,
}

unsafe extern "C" {
    static mgos_host_libs: Lib;
    static mgos_host_num_libs: u32;
    static mgos_host_app_name: *const c_char;
    fn mgos_app_preinit();
    fn mgos_app_init() -> c_int;
}

static STOP: AtomicBool = AtomicBool::new(false);

/// `mgos_host_stop()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_host_stop() {
    STOP.store(true, Relaxed);
    mongoose_schedule_poll(false);
}

fn app_name() -> &'static CStr {
    // SAFETY: generated with the app: NULL or a literal.
    unsafe {
        match mgos_host_app_name.is_null() {
            true => c"",
            false => CStr::from_ptr(mgos_host_app_name),
        }
    }
}

/// `mgos_sys_ro_vars_get_app()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_sys_ro_vars_get_app() -> *const c_char {
    app_name().as_ptr()
}

/// Parsed arguments.
#[derive(Debug)]
enum Parsed {
    Run(config::Sources, trace::Options),
    Help,
}

/// Parses the arguments after the program's name.
fn parse(args: impl IntoIterator<Item = String>) -> Result<Parsed, String> {
    let mut sources = config::Sources::default();
    let mut options = trace::Options::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (option, attached) = match arg.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut value = |what| {
            let value = attached.clone().or_else(|| args.next());
            value.ok_or(format!("{option} needs {what}"))
        };
        match option {
            "--help" | "-h" => return Ok(Parsed::Help),
            "--conf" => sources.files.push(PathBuf::from(value("the name of a JSON file")?)),
            "--set" => sources.settings.push(value("KEY=VALUE")?),
            "--pcap" => options.pcap = Some(PathBuf::from(value("the name of a file to write")?)),
            "--trace" => options.trace = true,
            _ => return Err(format!("unknown option: {arg}; see --help")),
        }
    }
    Ok(Parsed::Run(sources, options))
}

fn help(program: &str) -> String {
    format!(
        "Runs the Mongoose OS app {:?} on this machine, until SIGINT or SIGTERM.\n\n\
         Usage: {program} [--conf FILE.json]... [--set KEY=VALUE]... [--pcap FILE] [--trace]\n\n\
         \x20 --conf FILE.json  read config values from a file; later files win\n\
         \x20 --set KEY=VALUE   set one config value; wins over files\n\
         \x20 --pcap FILE       capture all connections before TLS, for Wireshark\n\
         \x20 --trace           print a line for each MQTT packet sent or received\n\
         \x20 --help            show this\n\n\
         Environment: MGOS_HOST_MAC=02:00:00:00:00:01 the MAC address; MGOS_HOST_SEED=NUMBER\n\
         makes rand() repeatable; MGOS_HOST_NAME_SERVER=127.0.0.1:5353 resolves names\n\
         instead of the system; MGOS_HOST_DEVICE_TLS=1 checks certificates as a device does:\n\
         not dates, names only after a lookup.\n\n\
         Config keys, with their types and defaults:\n{}",
        app_name(),
        config::keys()
    )
}

/// The first signal stops the main loop, a second one the process.
fn watch_signals() -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|e| format!("cannot handle signals: {e}"))?;
    let watch = move || {
        for signal in signals.forever() {
            if STOP.load(Relaxed) {
                std::process::exit(128 + signal);
            }
            mgos_host_stop();
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(watch);
    thread.map(drop).map_err(|e| format!("cannot start a thread for signals: {e}"))
}

/// Initialises libraries and app in the order of a device. An error ends the process.
fn init(sources: &config::Sources, options: &trace::Options) -> Result<(), String> {
    device::init()?;
    name_server::init()?;
    tls::init()?;
    system::seed_random()?;
    trace::begin(options)?;
    config::load(sources).map_err(|problems| problems.to_string())?;
    watch_signals()?;
    mgos_get_mgr();
    // Allocate the connection that timers share before allocations may fail: a device's system has
    // its memory from the start.
    timers::mgos_clear_timer(timers::mgos_set_timer(0, 0, None, std::ptr::null_mut()));
    alloc_faults::begin()?;
    log!(Info, "{} on the host's Mongoose OS, process {}", app_name().to_string_lossy(), std::process::id());
    // SAFETY: the name is NUL-terminated; registering a base twice is only logged.
    unsafe { events::mgos_event_register_base(events::SYS, c"mos".as_ptr()) };
    // SAFETY: generated with the app: an array of that many rows.
    let libs = unsafe { std::slice::from_raw_parts(&raw const mgos_host_libs, mgos_host_num_libs as usize) };
    // SAFETY: names are literals.
    if libs.iter().any(|lib| unsafe { CStr::from_ptr(lib.name) } == c"wifi") {
        net::use_wifi();
    }
    for lib in libs {
        // SAFETY: a literal, and a function without arguments.
        let (name, done) = unsafe { (CStr::from_ptr(lib.name), lib.init.is_none_or(|f| f())) };
        log!(Debug, "init {} -> {done}", name.to_string_lossy());
        if !done {
            return Err(format!("init of library {name:?} failed; the log says why"));
        }
    }
    // SAFETY: the app's own function, without arguments.
    match unsafe { mgos_app_init() } {
        0 => {}
        result => return Err(format!("mgos_app_init() of the app failed with {result}; the log says why")),
    }
    log!(
        Info,
        "Init done, RAM: {} total, {} free, {} min free",
        system::mgos_get_heap_size(),
        system::mgos_get_free_heap_size(),
        system::mgos_get_min_free_heap_size()
    );
    // SAFETY: this event carries NULL.
    unsafe { events::trigger(INIT_DONE, std::ptr::null_mut()) };
    Ok(())
}

/// `mgos_host_main()`
///
/// # Safety
/// Called by main() with its arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_host_main(argc: c_int, argv: *mut *mut c_char) -> c_int {
    crate::clock::uptime_micros();
    // SAFETY: the app's own function, without arguments.
    unsafe { mgos_app_preinit() };
    let args: Vec<String> = (0..argc)
        // SAFETY: main() gets this many strings.
        .map(|i| unsafe { CStr::from_ptr(*argv.add(i as usize)) }.to_string_lossy().into_owned())
        .collect();
    let program = args.first().cloned().unwrap_or_default();
    let (sources, options) = match parse(args.into_iter().skip(1)) {
        Ok(Parsed::Run(sources, options)) => (sources, options),
        Ok(Parsed::Help) => {
            print!("{}", help(&program));
            return 0;
        }
        Err(problem) => {
            eprintln!("{program}: {problem}");
            return 2;
        }
    };
    if let Err(problem) = init(&sources, &options) {
        eprintln!("{program}: {problem}");
        return 1;
    }
    net::start();
    while !STOP.load(Relaxed) {
        global::run_invoked();
        // SAFETY: this is the main loop's thread.
        unsafe { global::mongoose_poll(ROUND_MS) };
    }
    log!(Info, "Stopping");
    // SAFETY: in the main loop, so no handler is running.
    unsafe {
        mgr::mg_mgr_free(mgos_get_mgr());
        abi::mgos_debug_flush();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Parsed, String> {
        parse(args.iter().map(|a| (*a).to_string()))
    }

    #[test]
    fn options_may_be_repeated_and_attached() {
        let parsed = run(&["--conf", "a.json", "--set", "x.y=1", "--conf=b.json", "--set=z=2=3", "--pcap", "c.pcap"]);
        let Ok(Parsed::Run(sources, options)) = parsed else { panic!("{parsed:?}") };
        assert_eq!(sources.files, [PathBuf::from("a.json"), PathBuf::from("b.json")]);
        assert_eq!(sources.settings, ["x.y=1", "z=2=3"]);
        assert_eq!(options.pcap, Some(PathBuf::from("c.pcap")));
        assert!(matches!(run(&["--set", "a=1", "--help"]), Ok(Parsed::Help)));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (args, named) in [(&["--conf"][..], "--conf"), (&["-x"], "-x"), (&["--set"], "KEY=VALUE"), (&["--pcap"], "--pcap")] {
            let problem = run(args).unwrap_err();
            assert!(problem.contains(named), "{problem}");
        }
    }
}
