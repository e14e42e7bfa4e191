//! libclang, with which the host's TLS library reads mbedTLS's headers: where it is, and which one to
//! use if there are several. Installing it is in setup.rs.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::files::list;

/// Where it is set, bindgen looks nowhere else.
pub const VARIABLE: &str = "LIBCLANG_PATH";

/// The last version that the host was built with, of 13, 14, 15, 16, 19 and 22.
const NEWEST_TRIED: u32 = 22;

/// Whether there is one that can be used.
pub fn is_there() -> bool {
    env::var_os(VARIABLE).is_some() || folders().iter().any(|folder| is_complete(folder))
}

/// Fails if the user's choice leads nowhere.
pub fn check_variable() -> Result<()> {
    match env::var_os(VARIABLE) {
        Some(path) if !leads_to_libclang(Path::new(&path)) => {
            bail!("{VARIABLE} is {}, which has no libclang.so: correct it, or unset it for the system's libclang", path.display())
        }
        _ => Ok(()),
    }
}

fn leads_to_libclang(path: &Path) -> bool {
    let is_libclang =
        |path: &Path| path.file_name().is_some_and(|name| name == "libclang.so" || version(&name.to_string_lossy()).is_some());
    path.is_file() && is_libclang(path) || list(path).unwrap_or_default().iter().any(|file| is_libclang(file))
}

/// What the variable must be set to, if bindgen would not find the right one by itself.
pub fn variable() -> Option<OsString> {
    if env::var_os(VARIABLE).is_some() { None } else { better_than_newest(&folders()).map(PathBuf::into_os_string) }
}

/// What to try when the TLS library does not compile; empty if libclang is not to blame.
pub fn hint() -> String {
    match folders().iter().filter_map(|folder| version_in(folder)).max() {
        Some(newest) if newest > NEWEST_TRIED && env::var_os(VARIABLE).is_none() => {
            format!("; libclang {newest} is newer than those tried: install an older one, such as libclang-19-dev")
        }
        _ => String::new(),
    }
}

/// bindgen takes the newest. That does not work if it lacks clang's headers, as where it came with a
/// program that is linked to it, and may not if it was never tried.
fn better_than_newest(folders: &[PathBuf]) -> Option<PathBuf> {
    let of_file = |file: &PathBuf| version(&file.file_name()?.to_string_lossy());
    let newest = folders.iter().flat_map(|folder| list(folder).unwrap_or_default()).filter_map(|file| of_file(&file)).max();
    let complete = folders.iter().filter(|folder| is_complete(folder)).filter_map(|folder| Some((version_in(folder)?, folder)));
    let (best, folder) = complete.max_by_key(|&(version, _)| (version <= NEWEST_TRIED, version))?;
    (Some(best) != newest).then(|| folder.clone())
}

/// The library without a version in its name comes in the same package as clang's headers, or in one
/// that depends on them.
fn is_complete(folder: &Path) -> bool {
    folder.join("libclang.so").exists()
}

fn version_in(folder: &Path) -> Option<u32> {
    let file = folder.join("libclang.so").canonicalize().ok()?;
    version(&file.file_name()?.to_string_lossy())
}

/// The version in names such as libclang-19.so.1 and libclang.so.19.1.
fn version(file_name: &str) -> Option<u32> {
    let rest = file_name.strip_prefix("libclang-").or_else(|| file_name.strip_prefix("libclang.so."))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Library directories: the system's, and those of each LLVM installed next to it.
fn folders() -> Vec<PathBuf> {
    let known = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let inside = list(Path::new("/usr/lib")).unwrap_or_default().into_iter().flat_map(|folder| [folder.join("lib"), folder]);
    known.into_iter().chain(inside).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine's library folders: for each version, and whether with what is needed to use it.
    fn machine(dir: &Path, versions: &[(u32, bool)]) -> Vec<PathBuf> {
        let shared = dir.join("shared");
        fs::create_dir(&shared).unwrap();
        let mut folders = vec![shared.clone()];
        for (version, complete) in versions {
            let library = shared.join(format!("libclang-{version}.so.{version}"));
            fs::write(&library, "").unwrap();
            if *complete {
                folders.push(dir.join(version.to_string()));
                fs::create_dir(folders.last().unwrap()).unwrap();
                symlink(&library, folders.last().unwrap().join("libclang.so")).unwrap();
            }
        }
        folders
    }

    #[test]
    fn a_libclang_without_headers_or_too_new_is_passed_over() {
        let better = |versions: &[(u32, bool)]| {
            let dir = tempfile::tempdir().unwrap();
            let folder = better_than_newest(&machine(dir.path(), versions))?;
            folder.file_name().unwrap().to_string_lossy().parse::<u32>().ok()
        };
        assert_eq!(better(&[(14, true), (NEWEST_TRIED, false)]), Some(14), "without headers");
        assert_eq!(better(&[(14, true), (19, true), (NEWEST_TRIED + 1, true)]), Some(19), "never tried");
        assert_eq!(better(&[(14, true), (NEWEST_TRIED, true)]), None, "the newest works");
        assert_eq!(better(&[(NEWEST_TRIED + 1, true)]), None, "there is no other");
        assert_eq!(better(&[(14, false)]), None, "there is none to use");
    }

    #[test]
    fn versions_are_read_from_the_names_that_distributions_use() {
        let versions = ["libclang-14.so.14.0.6", "libclang-19.so.1", "libclang.so.22.1", "libclang-cpp.so.14", "libclang.so"].map(version);
        assert_eq!(versions, [Some(14), Some(19), Some(22), None, None]);
    }

    #[test]
    fn a_path_set_by_the_user_leads_to_a_folder_or_a_library() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!leads_to_libclang(dir.path()));
        let library = dir.path().join("libclang.so.22.1");
        fs::write(&library, "").unwrap();
        assert!(leads_to_libclang(dir.path()) && leads_to_libclang(&library));
        assert!(!leads_to_libclang(&dir.path().join("absent")));
    }
}
