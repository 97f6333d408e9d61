//! HTTP/2 towards an upstream: one connection of a worker, shared by the requests that are under way.
//!
//! It is driven by a task of its own, since no request owns it. A request that the upstream refused unseen comes back
//! unsent, as with HTTP/1.1.

use std::io;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Parts, Scheme};
use http::{Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::data::stream::UpstreamStream;
use crate::data::upload::Upload;

/// Bytes that an upstream may send of one answer, and of all, before they were passed on.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes of one upload that may wait for the upstream's window.
const SEND_BUFFER: usize = 64 << 10;

/// An upstream that is asked whether it is there, and says nothing for so long, is gone.
const ASK_AFTER: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Runs hyper's tasks on the worker's thread.
#[derive(Clone, Copy, Debug)]
struct OnThisThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        // Nobody awaits it: it ends with its connection.
        tokio::task::spawn_local(future);
    }
}

/// Introduces us and starts the task of the connection, which holds `open` as long as it is.
pub(super) async fn connect(stream: UpstreamStream, open: impl Sized + 'static) -> io::Result<SendRequest<Upload>> {
    let mut builder = Builder::new(OnThisThread);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(ASK_AFTER)
        .keep_alive_timeout(ANSWER_WITHIN);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(async move {
        // Each of its requests has learnt what went wrong.
        let _ = connection.await;
        drop(open);
    });
    Ok(sender)
}

/// A request as HTTP/2 has it: the host in the target, and `lines` of our own, `name: value` each, as fields.
pub(super) fn translate(request: &mut Request<Upload>, lines: &[u8], scheme: &Scheme) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers().get(header::HOST).and_then(|host| host.as_bytes().try_into().ok());
    let mut parts = Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    parts.scheme = host.as_ref().map(|_| scheme.clone());
    parts.authority = host;
    if let Ok(target) = Uri::from_parts(parts) {
        *request.uri_mut() = target;
    }
    let headers = request.headers_mut();
    headers.remove(header::HOST);
    // Trailers are passed on, and gRPC asks for the promise.
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    for line in lines.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
}

/// Undoes what a request that was not sent can't carry to an upstream that speaks HTTP/1.1.
pub(super) fn translate_back(request: &mut Request<Upload>) {
    *request.version_mut() = Version::HTTP_11;
    let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(target) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(target);
    }
    let ours = ["te", "x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
    for name in ours {
        request.headers_mut().remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_over_and_comes_back_the_same() {
        let mut request = Request::builder().uri("/a?b").header("host", "shop.example").body(Upload::Empty).unwrap();
        translate(&mut request, b"x-forwarded-for: 192.0.2.1\r\nx-real-ip: 192.0.2.1\r\n", &Scheme::HTTP);
        assert_eq!(request.uri(), "http://shop.example/a?b");
        assert_eq!(request.headers()["x-forwarded-for"], "192.0.2.1");
        assert!(!request.headers().contains_key("host"));
        translate_back(&mut request);
        assert_eq!((request.uri().to_string().as_str(), request.version()), ("/a?b", Version::HTTP_11));
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()["host"], "shop.example");
    }
}
