//! Where the binaries under test are.
//!
//! They belong to other packages, so Cargo gives this one no path to them. The first test of a run builds them, in the
//! profile and the target directory of the tests themselves. With `SLUICE_BIN_DIR` set nothing is built and they are
//! taken from there, for instance from a release that is to be tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PACKAGES: [&str; 2] = ["sluice-proxy", "sluice-cli"];

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// Path of the binary `name`.
///
/// # Panics
/// If it could not be built.
pub fn path(name: &str) -> PathBuf {
    DIRECTORY.get_or_init(directory).join(name)
}

/// Root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn directory() -> PathBuf {
    if let Some(given) = std::env::var_os("SLUICE_BIN_DIR") {
        return PathBuf::from(given);
    }
    // target/<profile>/deps/integration-<hash>
    let test = std::env::current_exe().expect("a process knows its executable");
    let profile = test.parent().and_then(Path::parent).expect("tests run from below the target directory").to_owned();
    build(&profile);
    profile
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repository()).args(["build", "--quiet", "--bins"]);
    cargo.arg("--target-dir").arg(profile.parent().expect("a profile has a target directory above it"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    for package in PACKAGES {
        cargo.args(["-p", package]);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binaries under test could not be built");
}
