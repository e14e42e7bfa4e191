//! Code that breaks the rule of src/ffi does not compile: no reference to a connection and no live
//! Mongoose connection may be kept across a call that may run app code.
#![cfg(feature = "internals")]

/// Each case must fail with the error in the file beside it; any other error, or none, fails the
/// test.
#[test]
fn each_way_of_breaking_the_rule_is_refused() {
    let cases = trybuild::TestCases::new();
    let mut refused = 0;
    for case in std::fs::read_dir("tests/compile_fail").unwrap() {
        let path = case.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            if path.ends_with("right.rs") {
                cases.pass(path);
            } else {
                cases.compile_fail(path);
                refused += 1;
            }
        }
    }
    assert!(refused >= 16, "{refused} cases");
}
