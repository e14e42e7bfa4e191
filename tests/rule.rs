//! The rule of src/ffi, and its order. No reference to a connection and no live Mongoose connection
//! is kept across a call that may run app code: breaking that does not compile. And its modules use
//! each other in one direction.

/// Each is refused with the error that stands beside it; another error, or none, fails the test.
#[cfg(feature = "internals")]
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

/// The modules in the order of the table in src/ffi/mod.rs.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string("src/ffi/mod.rs").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `")?.split(" | ").next());
    rows.flat_map(|names| names.split(", ").map(|name| name.trim_matches('`').to_owned())).collect()
}

#[test]
fn the_modules_of_the_c_edge_use_only_those_before_them() {
    let order = order();
    let mut used = 0;
    for entry in std::fs::read_dir("src/ffi").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "rs") || matches!(&name[..], "mod" | "tests") {
            continue;
        }
        let place = order.iter().position(|module| *module == name);
        let place = place.unwrap_or_else(|| panic!("{name} is not in the table of src/ffi/mod.rs"));
        for part in std::fs::read_to_string(&path).unwrap().split("super::").skip(1) {
            let other: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let before = order[..place].contains(&other);
            assert!(before, "{name} uses {other}, which does not come before it");
            used += 1;
        }
    }
    assert!(used > 60, "{used} uses");
}
