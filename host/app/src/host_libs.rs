//! Tests of the libraries in host/libs, by an app that uses them.

use std::process::Command;

use super::build;

#[test]
fn the_hosts_libraries_answer_as_their_headers_say() {
    let built = build(&project::root().join("host/tests_apps/host_libs"), false).unwrap();
    let output = Command::new(&built.program).current_dir(&built.files).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(!stdout.contains("not ok"), "{stdout}");
    for line in ["the host has no Wi-Fi access point", "cannot be disconnected", "cannot scan for Wi-Fi networks"] {
        assert!(stderr.contains(line) || stdout.contains(line), "{line}: {stdout}\n{stderr}");
    }
}
