//! Compiles and runs the tests of the host's C code (tests_c/) three times: plain, with address and
//! undefined-behaviour sanitizers, and under valgrind.
//!
//! Compiles the sources instead of using the archive: the sanitizers must instrument them, and
//! stubs replace the event loop's functions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Public headers of the C code; each must be self-contained.
const HEADERS: &[&str] = &[
    "common/cs_base64.h",
    "common/cs_crc32.h",
    "common/cs_dbg.h",
    "common/cs_dirent.h",
    "common/cs_endian.h",
    "common/cs_file.h",
    "common/cs_frbuf.h",
    "common/cs_hex.h",
    "common/cs_rbuf.h",
    "common/cs_time.h",
    "common/cs_varint.h",
    "common/json_utils.h",
    "common/mbuf.h",
    "common/mg_mem.h",
    "common/mg_str.h",
    "common/platform.h",
    "common/queue.h",
    "common/str_util.h",
    "frozen.h",
    "frozen/frozen.h",
    "mgos_bitbang.h",
    "mgos_debug.h",
    "mgos_debug_hal.h",
    "mgos_dlsym.h",
    "mgos_file_utils.h",
    "mgos_hal.h",
    "mgos_iram.h",
    "mgos_mongoose_internal.h",
    "mgos_vfs.h",
    "mgos_vfs_dev.h",
    "mongoose.h",
    "mongoose/mg_http.h",
    "mongoose/mg_sntp.h",
    "mongoose/mg_uri.h",
];

/// The tested sources of those in c/.
const SOURCES: &[&str] = &[
    "cs_codec",
    "cs_dbg",
    "cs_frbuf",
    "cs_rbuf",
    "cs_system",
    "frozen_array",
    "frozen_edit",
    "frozen_lookup",
    "frozen_print",
    "frozen_scan",
    "frozen_walk",
    "json_utils",
    "mbuf",
    "mg_hexdump",
    "mg_http_header",
    "mg_mqtt",
    "mg_mqtt_send",
    "mg_str",
    "mgos_debug",
    "mgos_dlsym",
    "mgos_unsupported",
    "mgos_js",
    "mgos_vfs",
    "mgos_vfs_dev",
    "str_util",
];

const SANITIZE: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];

fn host_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compiler(cpp: bool) -> Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cmd = cc::Build::new()
        .cpp(cpp)
        .target(&target)
        .host(&target)
        .opt_level(1)
        .debug(true)
        .cargo_metadata(false)
        .warnings(true)
        .extra_warnings(true)
        .get_compiler()
        .to_command();
    cmd.args(["-Werror", "-Wundef", "-I"]).arg(host_dir().join("include"));
    cmd
}

fn expect_success(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn compile(name: &str, flags: &[&str]) -> PathBuf {
    let exe = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cmd = compiler(false);
    cmd.arg("-std=gnu99").args(flags).arg("-I").arg(host_dir().join("tests_c"));
    let mut tests: Vec<_> = fs::read_dir(host_dir().join("tests_c"))
        .expect("the folder of C tests")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "c"))
        .collect();
    tests.sort();
    cmd.args(tests);
    cmd.args(SOURCES.iter().map(|s| host_dir().join("c").join(s).with_extension("c")));
    // The stubs make allocations fail.
    cmd.args(["-Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc", "-lm", "-o"]).arg(&exe);
    expect_success("compiling the C tests", &cmd.output().expect("a C compiler"));
    exe
}

fn plain() -> &'static Path {
    static EXE: OnceLock<PathBuf> = OnceLock::new();
    EXE.get_or_init(|| compile("c_parts", &[]))
}

fn sanitized() -> &'static Path {
    static EXE: OnceLock<PathBuf> = OnceLock::new();
    EXE.get_or_init(|| compile("c_parts_sanitized", SANITIZE))
}

/// Runs a group of C tests, plain and sanitized. Returns the plain run's output.
fn run(group: &str) -> Output {
    for exe in [sanitized(), plain()] {
        let output = Command::new(exe).arg(group).output().expect("the C tests start");
        expect_success(group, &output);
        if exe == plain() {
            return output;
        }
    }
    unreachable!("the plain run comes last")
}

#[test]
fn a_buffer_grows_keeps_its_contents_and_refuses_the_impossible() {
    run("mbuf");
}

#[test]
fn strings_with_a_length_compare_copy_and_search_within_it() {
    run("str");
}

#[test]
fn text_helpers_print_split_and_match_as_mongoose_does() {
    run("text");
}

#[test]
fn queue_macros_keep_lists_linked_both_ways() {
    run("queue");
}

#[test]
fn hex_and_base64_stop_at_the_first_bad_character() {
    run("codec");
}

#[test]
fn ring_buffers_wrap_around_and_one_in_a_file_survives_a_restart() {
    run("rings");
}

#[test]
fn header_values_files_and_names_are_found_and_what_the_host_cannot_do_is_logged() {
    run("system");
}

#[test]
fn json_parser_reports_every_value_and_never_reads_beyond_the_text() {
    run("json_walk");
}

#[test]
fn json_scanf_finds_values_by_path_and_converts_them() {
    run("json_scan");
}

#[test]
fn json_printf_quotes_names_and_takes_each_argument_by_its_type() {
    run("json_print");
}

#[test]
fn json_setf_changes_one_value_and_leaves_the_rest_as_it_stands() {
    run("json_edit");
}

#[test]
fn log_lines_obey_levels_and_reach_stderr_and_the_log_event() {
    let output = run("log");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.lines().any(|l| l.starts_with("test_log.c:") && l.ends_with(" 12 text")), "{stderr}");
    assert!(stderr.contains("to stderr only"), "{stderr}");
    assert!(!stderr.contains("from a handler"), "{stderr}");
    assert!(!stderr.contains("not at this level"), "{stderr}");
    assert!(stdout.contains("abc\0def"), "{stdout}");
    assert!(!stdout.contains("NOT TO BE SEEN"), "{stdout}");
}

#[test]
fn mqtt_packets_are_parsed_within_their_length_and_keep_alive_pings() {
    run("mqtt_receive");
}

#[test]
fn mqtt_calls_send_the_bytes_that_mongoose_sends() {
    run("mqtt_send");
}

#[test]
fn every_failed_allocation_is_reported_and_nothing_leaks() {
    run("no_memory");
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success());
    assert!(has_valgrind, "valgrind is needed: apt-get install valgrind");
    let output = Command::new("valgrind")
        .args(["-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all"])
        .arg("--errors-for-leak-kinds=all")
        .arg(plain())
        .output()
        .expect("valgrind starts");
    expect_success("valgrind", &output);
}

/// Each header alone, as strict C99 and C++11, and for bare-metal ARM if that compiler is
/// installed.
#[test]
fn each_header_compiles_alone_as_c99_cpp11_and_for_bare_metal() {
    let source = |ext: &str, header: &str| {
        let name = format!("header_{}.{ext}", header.replace(['/', '.'], "_"));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, format!("#include \"{header}\"\nint nothing;\n")).expect("a writable folder");
        path
    };
    let arm = |cmd: &mut Command| {
        cmd.args(["-mcpu=cortex-m4", "-mthumb", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Wundef", "-I"])
            .arg(host_dir().join("include"));
    };
    let has_arm = Command::new("arm-none-eabi-gcc").arg("--version").output().is_ok_and(|o| o.status.success());
    for header in HEADERS {
        let mut c = compiler(false);
        c.args(["-std=c99", "-pedantic", "-fsyntax-only"]).arg(source("c", header));
        expect_success(header, &c.output().expect("a C compiler"));
        let mut cpp = compiler(true);
        cpp.args(["-std=c++11", "-fsyntax-only"]).arg(source("cpp", header));
        expect_success(header, &cpp.output().expect("a C++ compiler"));
        if has_arm {
            let mut cmd = Command::new("arm-none-eabi-gcc");
            arm(&mut cmd);
            cmd.arg("-fsyntax-only").arg(source("c", header));
            expect_success(header, &cmd.output().expect("a C compiler for ARM"));
        }
    }
}

#[test]
fn log_lines_leave_no_trace_without_stdio() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, object) = (dir.join("no_stdio.c"), dir.join("no_stdio.o"));
    let text = "#include \"common/cs_dbg.h\"\n\
        void f(void);\n\
        void f(void) {\n\
          if (cs_log_level > LL_NONE)\n    LOG(LL_INFO, (\"a text %d\", 1));\n\
          else\n    DBG((\"another\"));\n\
        }\n";
    fs::write(&source, text).expect("a writable folder");
    for (stdio, wanted) in [("-DCS_ENABLE_STDIO=0", false), ("-DCS_ENABLE_STDIO=1", true)] {
        let mut cmd = compiler(false);
        cmd.args(["-std=c99", "-g0", stdio, "-c"]).arg(&source).arg("-o").arg(&object);
        expect_success("no_stdio.c", &cmd.output().expect("a C compiler"));
        let bytes = fs::read(&object).expect("the object file");
        for trace in ["cs_log_printf", "a text", "another"] {
            let found = bytes.windows(trace.len()).any(|w| w == trace.as_bytes());
            assert_eq!(found, wanted, "{trace} with {stdio}");
        }
    }
}

/// C++ checks that fail print their message, and the process aborts.
#[test]
fn a_failed_cpp_check_prints_its_values_and_aborts() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, exe) = (dir.join("checks.cpp"), dir.join("checks"));
    let text = "#include \"common/logging.h\"\nint main(int argc, char **) {\n  CHECK_GE(argc, 1);\n\
                  CHECK_EQ_M(argc, 2, \"one argument, please\");\n  return 0;\n}\n";
    fs::write(&source, text).expect("a writable folder");
    let mut cpp = compiler(true);
    cpp.arg("-std=c++11").arg(&source).arg("-o").arg(&exe);
    expect_success("checks.cpp", &cpp.output().expect("a C++ compiler"));
    assert!(Command::new(&exe).arg("x").status().expect("it starts").success());
    let failed = Command::new(&exe).output().expect("it starts");
    assert!(!failed.status.success());
    let stderr = String::from_utf8_lossy(&failed.stderr);
    assert!(stderr.contains("CHECK failed: argc == 2 (1 vs 2): one argument, please"), "{stderr}");
}

#[test]
fn macros_and_initialisers_work_in_cpp() {
    let mut cpp = compiler(true);
    cpp.args(["-std=c++11", "-fsyntax-only"]).arg(host_dir().join("tests_c/headers.cpp"));
    expect_success("headers.cpp", &cpp.output().expect("a C++ compiler"));
}
