//! Other proxies in the same place: Debian's nginx and HAProxy, as reverse proxies without further settings.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::wait::eventually;
use crate::{binaries, ports};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// HAProxy.
    HaProxy,
}

/// A running peer; killed, by its id, when dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

// === impl Kind ===

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        }
    }

    fn program(self) -> &'static Path {
        Path::new(match self {
            Self::Nginx => "/usr/sbin/nginx",
            Self::HaProxy => "/usr/sbin/haproxy",
        })
    }

    /// Whether it is installed.
    pub fn is_installed(self) -> bool {
        self.program().exists()
    }

    /// The version as it says it.
    pub fn version(self) -> String {
        let output = Command::new(self.program()).arg("-v").output().ok();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let word = text.split([' ', '/', '\n']).find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        word.unwrap_or("?").to_owned()
    }

    fn configuration(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Starts it in front of `upstream`.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start(kind: Kind, upstream: SocketAddr) -> Self {
        let directory = tempfile::Builder::new().prefix("hostile-").tempdir().expect("a temporary directory");
        let address = ports::free_address();
        let template = binaries::repository().join("tests/hostile").join(kind.configuration());
        let template = std::fs::read_to_string(template).expect("the configuration is in the repository");
        let place = directory.path().to_str().expect("a path of the system");
        let text = template.replace("{{listen}}", &address.to_string()).replace("{{dir}}", place);
        let file = directory.path().join("configuration");
        std::fs::write(&file, text.replace("{{upstream}}", &upstream.to_string())).expect("the directory is ours");
        let mut command = Command::new(kind.program());
        match kind {
            Kind::Nginx => command.args(["-p", place, "-c"]).arg(&file),
            Kind::HaProxy => command.args(["-db", "-f"]).arg(&file),
        };
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed");
        let peer = Self { address, child, _directory: directory };
        eventually("the peer listens", async || {
            tokio::net::TcpStream::connect(address).await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
        peer
    }

    /// Where it proxies.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
