//! The two forms of a release: a git repository with one commit and a tag, as the mos tool clones
//! it, and a tar.gz. The same files give the same commit and the same bytes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Source, VERSION};

/// Makes the directory a git repository. The mos tool checks out the tag that an app's mos.yml
/// gives as `version`, and `master` without one.
pub fn repository(dir: &Path, source: &Source) -> Result<()> {
    let date = format!("{} +0000", source.epoch);
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        // Nothing of who makes the release, nor of how git is set up here.
        git.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        for name in ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"] {
            git.env(name, "/dev/null");
        }
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "mgos-mqtt contributors").env(format!("GIT_{who}_EMAIL"), "mgos-mqtt@localhost");
            git.env(format!("GIT_{who}_DATE"), &date);
        }
        project::run(git.args(args).current_dir(dir))
    };
    git(&["init", "--quiet", "--template=", "--initial-branch=master"])?;
    git(&["add", "--all", "--force"])?;
    git(&["commit", "--quiet", "--message", &format!("mqtt {VERSION}\n\nMade from {}.", source.commit)])?;
    git(&["tag", VERSION])
}

/// Packs the directory without .git, under its own name.
pub fn archive(dir: &Path, to: &Path, source: &Source) -> Result<()> {
    let (parent, name) = (dir.parent().context("a directory is in another")?, dir.file_name().context("a directory has a name")?);
    let mut tar = Command::new("tar");
    // gzip without name and time.
    tar.args(["--create", "--use-compress-program=gzip --no-name -9", "--format=ustar", "--sort=name", "--mode=u=rwX,go=rX"]);
    tar.args(["--owner=0", "--group=0", "--numeric-owner"]).arg(format!("--mtime=@{}", source.epoch));
    tar.arg(format!("--exclude={}/.git", name.display())).arg("--file").arg(to).arg("--directory").arg(parent).arg(name);
    project::run(&mut tar)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use project::output;

    use super::*;

    fn source() -> Source {
        Source { commit: "0123abcd".into(), epoch: "1000000000".into(), time: "2001-09-09T01:46:40Z".into() }
    }

    /// A release in a directory of its own, whose files are written in this order.
    fn released(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("mqtt");
        for file in files {
            std::fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            std::fs::write(dir.join(file), file).unwrap();
        }
        repository(&dir, &source()).unwrap();
        archive(&dir, &parent.path().join("mqtt.tar.gz"), &source()).unwrap();
        (parent, dir)
    }

    #[test]
    fn a_release_made_twice_is_the_same_commit_and_the_same_tar_gz() {
        let (first, a) = released(&["mos.yml", "lib/esp32/libmgos_mqtt.a", ".gitignore"]);
        let (second, b) = released(&["lib/esp32/libmgos_mqtt.a", ".gitignore", "mos.yml"]);
        let head = |dir: &Path| output(Command::new("git").args(["rev-parse", VERSION]).current_dir(dir)).unwrap();
        assert_eq!(head(&a), head(&b));
        let packed = |dir: &tempfile::TempDir| std::fs::read(dir.path().join("mqtt.tar.gz")).unwrap();
        assert!(!packed(&first).is_empty() && packed(&first) == packed(&second));
    }

    #[test]
    fn a_clone_at_the_version_and_the_unpacked_tar_gz_have_every_file() {
        let (parent, dir) = released(&["mos.yml", "lib/esp32/libmgos_mqtt.a", ".gitignore"]);
        let [clone, unpacked] = ["clone", "unpacked"].map(|name| parent.path().join(name));
        project::run(Command::new("git").args(["clone", "--quiet"]).arg(&dir).arg(&clone)).unwrap();
        project::run(Command::new("git").args(["checkout", "--quiet", VERSION]).current_dir(&clone)).unwrap();
        std::fs::create_dir(&unpacked).unwrap();
        project::run(Command::new("tar").arg("-xzf").arg(parent.path().join("mqtt.tar.gz")).arg("-C").arg(&unpacked)).unwrap();
        for root in [clone, unpacked.join("mqtt")] {
            for file in ["mos.yml", "lib/esp32/libmgos_mqtt.a", ".gitignore"] {
                assert_eq!(std::fs::read_to_string(root.join(file)).unwrap(), file);
            }
        }
        assert!(!unpacked.join("mqtt/.git").exists());
    }
}
