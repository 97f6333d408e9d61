//! The connections of a backend.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Answer, KEPT_REQUESTS, Script, Seen, Shared};
use crate::wire::{Framing, Wire};

/// Accepts until it is aborted; its connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                shared.connections.fetch_add(1, Relaxed);
                connections.spawn(converse(stream, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Requests and answers, until either end has enough.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let mut wire = Wire::new(stream);
    let mut served = 0;
    while let Ok(Some(seen)) = read_request(&mut wire, &shared).await {
        let limit = shared.script.lock().expect("nobody panics here").close_after;
        served += 1;
        match respond(&mut wire, &shared, seen).await {
            Ok(After::Continue) if limit.is_none_or(|limit| served < limit) => {}
            Ok(After::Continue | After::Close) | Err(_) => return,
            Ok(After::Reset) => {
                // Closing with nothing lingering is what makes the kernel send a reset.
                wire.into_stream().set_zero_linger().ok();
                return;
            }
        }
    }
}

/// What becomes of the connection.
enum After {
    Continue,
    Close,
    Reset,
}

async fn read_request(wire: &mut Wire, shared: &Shared) -> io::Result<Option<Seen>> {
    let Some(head) = wire.read_head().await? else { return Ok(None) };
    if head.all("expect").any(|value| value.eq_ignore_ascii_case("100-continue")) {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut framing = head.framing(Framing::Done);
    let mut body = Vec::new();
    while let Some(piece) = wire.next_piece(&mut framing).await? {
        shared.body_bytes.fetch_add(piece.len() as u64, Relaxed);
        body.extend_from_slice(&piece);
    }
    Ok(Some(Seen { head, body }))
}

async fn respond(wire: &mut Wire, shared: &Shared, seen: Seen) -> io::Result<After> {
    let path = seen.head.word(1).split('?').next().unwrap_or_default().to_owned();
    if path == "/healthz" {
        shared.health_checks.fetch_add(1, Relaxed);
        let status = if shared.healthy.load(Relaxed) { 200 } else { 503 };
        return answer(wire, shared, status, b"").await;
    }
    shared.requests.fetch_add(1, Relaxed);
    let echo = (path == "/echo").then(|| describe(shared, &seen));
    let without_body = seen.head.word(0) == "HEAD";
    remember(shared, seen);
    match path.as_str() {
        "/echo" => answer(wire, shared, 200, echo.unwrap_or_default().as_bytes()).await,
        "/drip" => drip(wire, shared).await,
        "/wait" => {
            gate(shared).await;
            answer(wire, shared, 200, b"waited\n").await
        }
        _ => scripted(wire, shared, without_body).await,
    }
}

fn remember(shared: &Shared, seen: Seen) {
    let mut kept = shared.seen.lock().expect("nobody panics here");
    if kept.len() < KEPT_REQUESTS {
        kept.push(seen);
    }
}

fn describe(shared: &Shared, seen: &Seen) -> String {
    let fields: Vec<_> = seen.head.fields.iter().map(|(name, value)| json!([name, value])).collect();
    json!({
        "arm": shared.name,
        "method": seen.head.word(0),
        "target": seen.head.word(1),
        "fields": fields,
        "body": String::from_utf8_lossy(&seen.body),
    })
    .to_string()
}

async fn scripted(wire: &mut Wire, shared: &Shared, without_body: bool) -> io::Result<After> {
    let script = shared.script.lock().expect("nobody panics here").clone();
    if !script.delay.is_zero() {
        tokio::time::sleep(script.delay).await;
    }
    if !its_turn(shared, script.share) {
        return if without_body {
            answer_head(wire, shared, 200, script.body.len()).await
        } else {
            answer(wire, shared, 200, &script.body).await
        };
    }
    shared.failures.fetch_add(1, Relaxed);
    match script.answer {
        Answer::Status(status) if without_body => answer_head(wire, shared, status, script.body.len()).await,
        Answer::Status(status) => answer(wire, shared, status, &script.body).await,
        Answer::Hang => std::future::pending().await,
        Answer::Reset => Ok(After::Reset),
        Answer::Close => Ok(After::Close),
        Answer::ResetInBody => half(wire, shared, &script).await.map(|()| After::Reset),
        Answer::Truncate => half(wire, shared, &script).await.map(|()| After::Close),
        Answer::Slow(gap) => slowly(wire, shared, &script, gap).await,
    }
}

/// Spreads `share` evenly over the requests.
fn its_turn(shared: &Shared, share: f64) -> bool {
    let n = shared.turn.fetch_add(1, Relaxed) as f64;
    ((n + 1.0) * share).floor() > (n * share).floor()
}

fn head(shared: &Shared, status: u16, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Scripted\r\nX-Arm: {}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n",
        shared.name
    )
}

async fn answer(wire: &mut Wire, shared: &Shared, status: u16, body: &[u8]) -> io::Result<After> {
    let mut message = head(shared, status, body.len()).into_bytes();
    message.extend_from_slice(body);
    wire.write(&message).await?;
    Ok(After::Continue)
}

async fn answer_head(wire: &mut Wire, shared: &Shared, status: u16, length: usize) -> io::Result<After> {
    wire.write(head(shared, status, length).as_bytes()).await?;
    Ok(After::Continue)
}

async fn half(wire: &mut Wire, shared: &Shared, script: &Script) -> io::Result<()> {
    let mut message = head(shared, 200, script.body.len()).into_bytes();
    message.extend_from_slice(&script.body[..script.body.len() / 2]);
    wire.write(&message).await
}

async fn slowly(wire: &mut Wire, shared: &Shared, script: &Script, gap: Duration) -> io::Result<After> {
    wire.write(head(shared, 200, script.body.len()).as_bytes()).await?;
    for byte in &script.body {
        tokio::time::sleep(gap).await;
        wire.write(&[*byte]).await?;
    }
    Ok(After::Continue)
}

async fn drip(wire: &mut Wire, shared: &Shared) -> io::Result<After> {
    let opening = format!(
        "HTTP/1.1 200 OK\r\nX-Arm: {}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        shared.name
    );
    wire.write(opening.as_bytes()).await?;
    gate(shared).await;
    wire.write(b"4\r\nlast\r\n0\r\n\r\n").await?;
    Ok(After::Continue)
}

async fn gate(shared: &Shared) {
    // The sender lives as long as `shared`, so this can't fail.
    shared.gate.subscribe().wait_for(|open| *open).await.ok();
}
