//! The client against scripted listeners.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// Answers one connection with `answer` once it has seen a whole request, and yields that request.
async fn post_to(answer: Vec<u8>, timeout: Duration) -> (Result<Answer, OutboundError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/SECRET?q=1", listener.local_addr().unwrap())).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"body") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
        let _ = stream.write_all(&answer).await;
        (String::from_utf8(seen).unwrap(), stream)
    });
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_static("k"));
    headers.insert("host", HeaderValue::from_static("elsewhere"));
    let answer = Client::new(Trust::System).post(&url, headers, Bytes::from_static(b"body"), timeout).await;
    (answer, serving.await.unwrap().0)
}

#[tokio::test]
async fn a_request_is_posted_whole_and_the_answer_read_whole() {
    let (answer, seen) =
        post_to(b"HTTP/1.1 202 Accepted\r\nretry-after: 7\r\ncontent-length: 3\r\n\r\nyes".to_vec(), LONG).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::ACCEPTED, &b"yes"[..]));
    assert_eq!(answer.headers["retry-after"], "7");
    assert!(seen.starts_with("POST /SECRET?q=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-key: k") && seen.contains("content-length: 4"), "{seen}");
    assert!(seen.contains("host: 127.0.0.1:") && !seen.contains("elsewhere"), "{seen}");
}

#[tokio::test]
async fn a_redirect_is_an_error_that_says_so_and_not_where_to() {
    let (answer, _) = post_to(b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/SECRET\r\n\r\n".to_vec(), LONG).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, OutboundError::Redirect(StatusCode::TEMPORARY_REDIRECT)));
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(2 * MAX_ANSWER, b'x');
    assert!(matches!(post_to(endless, LONG).await.0, Err(OutboundError::TooLarge)));
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n".to_vec();
    assert!(matches!(post_to(announced, LONG).await.0, Err(OutboundError::TooLarge)));
}

#[tokio::test]
async fn what_is_no_http_and_what_never_comes_are_errors_without_secrets() {
    let (broken, _) = post_to(b"SSH-2.0-SECRET\r\n\r\n".to_vec(), LONG).await;
    let error = broken.unwrap_err();
    assert!(matches!(error, OutboundError::Exchange(_)));
    assert!(!error.to_string().contains("SECRET"), "{error}");
    let (silent, _) = post_to(Vec::new(), Duration::from_millis(50)).await;
    assert!(matches!(silent, Err(OutboundError::Timeout(_))));
}
