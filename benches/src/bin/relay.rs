//! The floor: copies bytes between a client and one upstream without looking at them, on one thread.
//!
//! Whatever a proxy does on top of this it does in its own code; below it are only the kernel's sockets.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use sluice_benches::loopback::Loopback;
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Copies bytes between clients and one upstream.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: Loopback,
    /// Where to connect to.
    #[arg(long)]
    to: Loopback,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen.address()).await.context("listen")?;
        loop {
            let (client, _) = listener.accept().await.context("accept")?;
            // Ends with its connection; one that fails is of no concern to the others.
            tokio::spawn(relay(client, arguments.to.address()));
        }
    })
}

async fn relay(mut client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut upstream = TcpStream::connect(to).await?;
    upstream.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await.map(|_| ())
}
