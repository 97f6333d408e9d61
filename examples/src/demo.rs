//! The driver of `make demo`: starts everything, sends traffic, and tells four stories live.
//!
//! It uses the product as an operator does, through the admin API, and checks each story: a demo that does not go as
//! told ends with an error.

mod children;
mod screen;
mod stage;
mod story;
mod traffic;

use std::net::SocketAddr;

use anyhow::{Context, bail};
use sluice_api::client::{Client, Server, Token};
use tokio::signal::unix::{SignalKind, signal};

use self::children::Children;
use self::screen::Screen;
use self::stage::Stage;
use self::traffic::Traffic;

/// The configuration, as it stands in the repository.
const QUICKSTART: &str = include_str!("../quickstart.yaml");

// The addresses that stand in it.
const PROXY: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9900";
const BACKENDS: [&str; 2] = ["127.0.0.1:9001", "127.0.0.1:9002"];
const ROLLOUT: &str = "shop";

/// Requests per second. A limit of 1 % needs 468 canary requests without a failure: five seconds of this at 10 %.
const RATE: u32 = 1_000;

/// Runs the demo; `short` ends after the stories.
///
/// # Errors
/// If something can't be started, or a story did not go as told.
pub async fn run(short: bool) -> anyhow::Result<()> {
    let mut screen = Screen::new();
    children::check_ports(&[
        (PROXY, "the proxy"),
        (ADMIN, "its admin API"),
        (BACKENDS[0], "a backend"),
        (BACKENDS[1], "a backend"),
    ])?;
    let children = Children::start()?;
    let traffic = Traffic::start(PROXY.parse().context("the proxy's address")?, RATE);
    // Whatever ends first, the children are killed when they go out of scope here.
    tokio::select! {
        told = tell(&children, &traffic, &mut screen, short) => told.map_err(|error| children.explain(&error)),
        stopped = stopped() => stopped.and_then(|()| if short { bail!("interrupted") } else { Ok(()) }),
    }
}

/// Ctrl-C, or whatever else asks a program to end.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen to signals")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen to signals"),
    }
}

async fn tell(children: &Children, traffic: &Traffic, screen: &mut Screen, short: bool) -> anyhow::Result<()> {
    let token = children.token().await?;
    let page = format!("http://{ADMIN}/#token={}", token.trim());
    let client = Client::new(Server::try_new(ADMIN)?, Some(Token::try_new(&token)?));
    screen.say(&format!("Watch it in a browser: {page}\n"));
    let mut stage = Stage::open(client, traffic, screen).await?;
    story::tell_all(&mut stage).await?;
    if short {
        return Ok(());
    }
    story::invite(&mut stage, &children.state_dir(), &page).await
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("{text:?} is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_configuration() {
        for address in [PROXY, ADMIN, BACKENDS[0], BACKENDS[1]] {
            assert!(QUICKSTART.contains(address), "{address}");
        }
        assert!(QUICKSTART.contains(&format!("name: {ROLLOUT}")));
    }
}
