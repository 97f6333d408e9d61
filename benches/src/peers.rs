//! The programs that are measured side by side: where they are, how they are started, how they are configured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::control;
use crate::interrupt::Interrupt;
use crate::load;
use crate::loopback::Loopback;
use crate::process::{Process, first_line, installed, sibling};

/// A program takes at most this long until it answers.
const START: Duration = Duration::from_secs(15);

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What is measured.
    Sluice,
    /// Copies bytes without looking at them: the floor of any proxy that is a process.
    Relay,
    /// HAProxy.
    HaProxy,
    /// nginx.
    Nginx,
    /// Envoy.
    Envoy,
}

/// Where the programs are that are not found by their name alone.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// `sluice-proxy`; default: beside this program.
    pub sluice: Option<PathBuf>,
    /// Envoy; default: `envoy` of the `PATH`.
    pub envoy: Option<PathBuf>,
}

/// What a configuration depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stable arm.
    pub stable: Loopback,
    /// The canary arm.
    pub canary: Loopback,
    /// Percent to the canary; peers other than Sluice always have 10.
    pub weight: f64,
    /// Sluice's least success rate of the canary.
    pub success: &'static str,
    /// Sluice's latency limit for the canary.
    pub latency: &'static str,
    /// How long Sluice waits for an answer.
    pub timeout: &'static str,
    /// The core that peers run on.
    pub core: usize,
    /// For configurations, logs, state.
    pub folder: PathBuf,
}

/// A program that runs and answers.
#[derive(Debug)]
pub struct Peer {
    /// Which.
    pub kind: Kind,
    /// What it says of itself.
    pub version: String,
    /// Where it listens.
    pub address: Loopback,
    /// Where it is asked about itself; only Sluice listens there.
    pub admin: Loopback,
    process: Process,
}

/// Starts our backend with its two arms on `core` and waits until it answers.
pub fn start_backend(
    core: usize,
    [stable, canary]: [Loopback; 2],
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Process> {
    let (first, second) = (stable.to_string(), canary.to_string());
    let arguments = ["--listen", &first, "--listen", &second];
    let backend = Process::start(core, &sibling("backend")?, &arguments, &folder.join("backend.log"))?;
    let ready = interrupt.wait_until(START, || control::stats(canary).is_ok())?;
    anyhow::ensure!(ready, "the backend does not answer: {}", backend.last_words());
    Ok(backend)
}

// === impl Kind ===

impl Kind {
    /// All, Sluice first.
    pub const ALL: [Self; 5] = [Self::Sluice, Self::Relay, Self::HaProxy, Self::Nginx, Self::Envoy];

    /// Name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sluice => "Sluice",
            Self::Relay => "TCP relay",
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
        }
    }

    /// Whether it tells canary from stable; the relay only knows stable.
    pub fn splits(self) -> bool {
        self != Self::Relay
    }

    /// Its program, if it is there.
    pub fn program(self, programs: &Programs) -> Option<PathBuf> {
        match self {
            Self::Sluice => programs.sluice.clone().or_else(|| sibling("sluice-proxy").ok()),
            Self::Relay => sibling("relay").ok(),
            Self::HaProxy => installed("haproxy"),
            Self::Nginx => installed("nginx"),
            Self::Envoy => programs.envoy.clone().or_else(|| installed("envoy")),
        }
    }

    fn version(self, program: &Path) -> String {
        let argument = match self {
            Self::Relay => return "own, tokio".to_owned(),
            Self::HaProxy | Self::Nginx => "-v",
            Self::Sluice | Self::Envoy => "--version",
        };
        version_in(&first_line(program, &[argument]))
    }

    /// Its configuration file's name and template.
    fn template(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Sluice => Some(("sluice.yaml", include_str!("../peers/sluice.yaml"))),
            Self::Relay => None,
            Self::HaProxy => Some(("haproxy.cfg", include_str!("../peers/haproxy.cfg"))),
            Self::Nginx => Some(("nginx.conf", include_str!("../peers/nginx.conf"))),
            Self::Envoy => Some(("envoy.yaml", include_str!("../peers/envoy.yaml"))),
        }
    }

    fn arguments<'a>(self, config: &'a str, listen: &'a str, stable: &'a str) -> Vec<&'a str> {
        match self {
            Self::Sluice => vec!["run", config],
            Self::Relay => vec!["--listen", listen, "--to", stable],
            Self::HaProxy => vec!["-db", "-f", config],
            Self::Nginx => vec!["-c", config],
            Self::Envoy => {
                vec!["-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
            }
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Starts `program` and waits until it answers through to the backend.
    pub fn start(kind: Kind, program: &Path, settings: &Settings, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let folder = settings.folder.join(kind.label().replace(' ', "-"));
        // What a former run of the same driver left there is of no use: Sluice would remember its verdict.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let ports = Loopback::free(2)?;
        let config = kind
            .template()
            .map(|(name, template)| {
                let path = folder.join(name);
                fs::write(&path, fill(template, settings, &folder, &ports)).map(|()| path)
            })
            .transpose()
            .context("write its configuration")?
            .unwrap_or_default();
        let (listen, stable) = (ports[0].to_string(), settings.stable.to_string());
        let arguments = kind.arguments(config.to_str().context("the path is no text")?, &listen, &stable);
        let mut peer = Self {
            kind,
            version: kind.version(program),
            address: ports[0],
            admin: ports[1],
            process: Process::start(settings.core, program, &arguments, &folder.join("log"))?,
        };
        peer.wait_until_it_answers(interrupt).with_context(|| format!("start {}", kind.label()))?;
        Ok(peer)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_it_answers(&mut self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let request = load::get("/", "");
        let (address, process) = (self.address, &mut self.process);
        let mut ended = false;
        let answers = interrupt.wait_until(START, || {
            ended = !process.is_running();
            ended || control::ask(address, &request).is_ok_and(|(status, _)| status == 200)
        })?;
        anyhow::ensure!(answers && !ended, "it does not answer; it wrote:\n{}", self.process.last_words());
        Ok(())
    }

    /// Makes sure that it does the work: `X-Canary: true` leads to the canary.
    pub fn check_header(&self) -> anyhow::Result<()> {
        if !self.kind.splits() {
            return Ok(());
        }
        for _ in 0..5 {
            let (status, body) = control::ask(self.address, &load::get("/", "X-Canary: true\r\n"))?;
            anyhow::ensure!(
                status == 200 && body.starts_with(b"canary"),
                "{} does not send X-Canary: true to the canary",
                self.kind.label()
            );
        }
        Ok(())
    }
}

/// The first word of `line` that looks like a version; the line without one.
fn version_in(line: &str) -> String {
    line.split([' ', '/'])
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
        .unwrap_or(line)
        .to_owned()
}

fn fill(template: &str, settings: &Settings, folder: &Path, ports: &[Loopback]) -> String {
    [
        ("{{listen}}", ports[0].to_string()),
        ("{{listen_port}}", ports[0].port().to_string()),
        ("{{admin}}", ports[1].to_string()),
        ("{{stable}}", settings.stable.to_string()),
        ("{{stable_port}}", settings.stable.port().to_string()),
        ("{{canary}}", settings.canary.to_string()),
        ("{{canary_port}}", settings.canary.port().to_string()),
        ("{{weight}}", settings.weight.to_string()),
        ("{{success}}", settings.success.to_owned()),
        ("{{latency}}", settings.latency.to_owned()),
        ("{{timeout}}", settings.timeout.to_owned()),
        ("{{dir}}", folder.display().to_string()),
    ]
    .iter()
    .fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say_of_themselves() {
        for (line, version) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12-1+deb12u4"),
            ("/opt/x/envoy  version: 9e55809337/1.40.0/Clean/RELEASE/BoringSSL", "1.40.0"),
            ("sluice-proxy 0.1.0", "0.1.0"),
            ("no idea", "no idea"),
        ] {
            assert_eq!(version_in(line), version);
        }
    }

    #[test]
    fn every_placeholder_of_every_template_is_filled() {
        let ports = Loopback::free(4).expect("free ports");
        let settings = Settings {
            stable: ports[2],
            canary: ports[3],
            weight: 10.0,
            success: "99%",
            latency: "1s",
            timeout: "60s",
            core: 0,
            folder: PathBuf::from("/tmp"),
        };
        for (name, template) in Kind::ALL.into_iter().filter_map(Kind::template) {
            let text = fill(template, &settings, Path::new("/tmp/x"), &ports);
            assert!(!text.contains("{{"), "{name}");
            assert!(text.contains(&ports[3].port().to_string()), "{name}");
        }
    }
}
