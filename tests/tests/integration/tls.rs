//! TLS towards clients: versions, names, reloads, client certificates, and what becomes of handshakes that are none.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use sluice_tests::wait::holds;
use sluice_tests::{Backend, Config, Issuer, Leaf, Request, Sluice, TlsClient, Wire, eventually};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};

const HOST: &str = "shop.example";

/// A proxy with `tls` on its only listener, not started; `shop.crt` and `shop.key` are there.
fn prepare(stable: &Backend, leaf: &Leaf, tls: Value) -> Sluice {
    let sluice = Sluice::prepare(Config::new(stable).set("/listeners/0/tls", tls));
    write_pair(&sluice, "shop", leaf);
    sluice
}

fn one_certificate() -> Value {
    json!({ "certificates": [{ "cert": "shop.crt", "key": "shop.key" }] })
}

fn write_pair(sluice: &Sluice, name: &str, leaf: &Leaf) {
    sluice.write_file(&format!("{name}.crt"), &leaf.certificate);
    sluice.write_file(&format!("{name}.key"), &leaf.key);
}

async fn ask(wire: &mut Wire<TlsStream<TcpStream>>) -> io::Result<sluice_tests::Response> {
    wire.exchange(&Request::get("/echo").host(HOST)).await
}

/// A handshake and a request: with TLS 1.3 a client learns of a refusal only when it reads.
async fn try_all(client: &TlsClient, address: SocketAddr) -> io::Result<u16> {
    let mut wire = client.connect(address, HOST).await?;
    ask(&mut wire).await.map(|response| response.status)
}

/// Which certificate a client gets that asks for `name`, whatever it is worth.
async fn presented(client: &TlsClient, address: SocketAddr, name: &str) -> Vec<u8> {
    let wire = client.clone().trusting_anybody().connect(address, name).await.expect("a handshake");
    wire.stream().get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test]
async fn both_versions_are_served_and_the_upstream_learns_that_it_was_https() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), one_certificate());
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    for (client, version) in
        [(client.clone().only_1_2(), ProtocolVersion::TLSv1_2), (client.only_1_3(), ProtocolVersion::TLSv1_3)]
    {
        let mut wire = client.connect(sluice.address(), HOST).await.expect("a handshake");
        let session = wire.stream().get_ref().1;
        assert_eq!(session.protocol_version(), Some(version));
        assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
        for _ in 0..3 {
            assert_eq!(ask(&mut wire).await.expect("an answer").arm(), "v1");
        }
    }
    let seen = stable.seen();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|seen| seen.head.field("x-forwarded-proto") == Some("https")), "{seen:?}");
}

#[tokio::test]
async fn the_name_a_client_asks_for_picks_the_certificate_and_the_first_is_everybodys() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let leaves =
        [issuer.issue(&[HOST]), issuer.issue(&["*.blog.example", "blog.example"]), issuer.issue(&["a.blog.example"])];
    let [shop, blog, exact] = &leaves;
    let certificates =
        ["shop", "blog", "exact"].map(|name| json!({ "cert": format!("{name}.crt"), "key": format!("{name}.key") }));
    let mut sluice = prepare(&stable, shop, json!({ "certificates": certificates }));
    write_pair(&sluice, "blog", blog);
    write_pair(&sluice, "exact", exact);
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    for (name, leaf) in [
        (HOST, shop),
        ("www.blog.example", blog),
        ("WWW.Blog.example", blog),
        ("blog.example", blog),
        ("a.blog.example", exact),
        ("a.b.blog.example", shop),
        ("elsewhere.example", shop),
        ("127.0.0.1", shop),
    ] {
        assert!(presented(&client, sluice.address(), name).await == leaf.der().to_vec(), "{name}");
    }
    let metrics = sluice.metrics().await;
    assert!(metrics.sum("sluice_certificate_expiry_seconds", &[]) > 0.0);
}

#[tokio::test]
async fn a_listener_of_1_3_alone_refuses_1_2() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut tls = one_certificate();
    tls["minVersion"] = json!("1.3");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), tls);
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    assert!(try_all(&client.clone().only_1_2(), sluice.address()).await.is_err());
    assert_eq!(try_all(&client.only_1_3(), sluice.address()).await.expect("an answer"), 200);
}

#[tokio::test]
async fn clients_show_certificates_where_they_have_to() {
    let stable = Backend::start("v1").await;
    let (issuer, clients, others) = (Issuer::new("servers"), Issuer::new("clients"), Issuer::new("others"));
    let known = TlsClient::trusting(&issuer).showing(&clients.issue(&["known"]));
    let unknown = TlsClient::trusting(&issuer).showing(&others.issue(&["unknown"]));
    let silent = TlsClient::trusting(&issuer);
    for (auth, silent_is_served) in [("require", false), ("optional", true)] {
        let mut tls = one_certificate();
        tls["clientCa"] = json!("clients.pem");
        tls["clientAuth"] = json!(auth);
        let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), tls);
        sluice.write_file("clients.pem", &clients.pem());
        sluice.run().await;
        for client in [known.clone().only_1_2(), known.clone().only_1_3()] {
            assert_eq!(try_all(&client, sluice.address()).await.expect("an answer"), 200, "{auth}");
        }
        assert!(try_all(&unknown, sluice.address()).await.is_err(), "{auth}");
        assert_eq!(try_all(&silent, sluice.address()).await.is_ok(), silent_is_served, "{auth}");
    }
}

#[tokio::test]
async fn who_may_come_in_changes_with_the_authoritys_file_and_no_session_outlives_it() {
    let stable = Backend::start("v1").await;
    let (issuer, former, present) = (Issuer::new("servers"), Issuer::new("former"), Issuer::new("present"));
    let mut tls = one_certificate();
    tls["clientCa"] = json!("clients.pem");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), tls);
    sluice.write_file("clients.pem", &former.pem());
    sluice.run().await;
    let client = TlsClient::trusting(&issuer).showing(&former.issue(&["client"])).remembering();
    for _ in 0..3 {
        assert_eq!(try_all(&client, sluice.address()).await.expect("an answer"), 200);
    }
    sluice.write_file("clients.pem", &present.pem());
    let newcomer = TlsClient::trusting(&issuer).showing(&present.issue(&["client"]));
    eventually("clients of the new authority are let in", async || {
        try_all(&newcomer, sluice.address()).await.map_err(|error| error.to_string())
    })
    .await;
    assert!(try_all(&client, sluice.address()).await.is_err(), "a ticket of a client that is not known any more");
}

#[tokio::test]
async fn a_new_pair_is_taken_over_under_load_and_open_connections_go_on() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let (old, new) = (issuer.issue(&[HOST]), issuer.issue(&[HOST]));
    let mut sluice = prepare(&stable, &old, one_certificate());
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    let mut open = client.connect(sluice.address(), HOST).await.expect("a handshake");
    assert_eq!(ask(&mut open).await.expect("an answer").status, 200);

    let address = sluice.address();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn({
        let client = client.clone();
        async move {
            let mut failures = Vec::new();
            let mut answers = 0;
            while !*stopped.borrow() {
                match try_all(&client, address).await {
                    Ok(200) => answers += 1,
                    other => failures.push(format!("{other:?}")),
                }
            }
            (answers, failures)
        }
    });
    write_pair(&sluice, "shop", &new);
    eventually("the new certificate is presented", async || {
        holds(presented(&client, address, HOST).await == new.der().to_vec(), || "the old one".to_owned())
    })
    .await;
    stop.send_replace(true);
    let (answers, failures) = load.await.expect("the load ends");
    assert!(answers > 0 && failures.is_empty(), "{answers} answers, {failures:?}");
    assert_eq!(ask(&mut open).await.expect("an answer over the old connection").status, 200);
    let accepted = sluice.metrics().await.sum("sluice_certificate_reloads_total", &[("result", "accepted")]);
    assert!(accepted >= 1.0, "{accepted}");
}

#[tokio::test]
async fn a_volume_whose_data_link_is_swapped_is_followed() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let (old, new) = (issuer.issue(&[HOST]), issuer.issue(&[HOST]));
    let tls = json!({ "certificates": [{ "cert": "volume/tls.crt", "key": "volume/tls.key" }] });
    let mut sluice = prepare(&stable, &old, tls);
    let volume = sluice.directory().join("volume");
    for (name, leaf) in [("..1", &old), ("..2", &new)] {
        std::fs::create_dir_all(volume.join(name)).expect("a directory");
        std::fs::write(volume.join(name).join("tls.crt"), &leaf.certificate).expect("a file");
        std::fs::write(volume.join(name).join("tls.key"), &leaf.key).expect("a file");
    }
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, volume.join(from)).expect("a link");
    link("..1", "..data");
    link("..data/tls.crt", "tls.crt");
    link("..data/tls.key", "tls.key");
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    assert!(presented(&client, sluice.address(), HOST).await == old.der().to_vec());
    link("..2", "..data.new");
    std::fs::rename(volume.join("..data.new"), volume.join("..data")).expect("the link can be swapped");
    eventually("the new certificate is presented", async || {
        let is_new = presented(&client, sluice.address(), HOST).await == new.der().to_vec();
        holds(is_new, || "the old one".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_broken_pair_is_never_presented_and_the_good_one_stays() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let (good, other) = (issuer.issue(&[HOST]), issuer.issue(&[HOST]));
    let mut sluice = prepare(&stable, &good, one_certificate());
    sluice.run().await;
    let client = TlsClient::trusting(&issuer);
    let half = &other.certificate[..other.certificate.len() / 2];
    let broken = [("shop.key", other.key.as_str()), ("shop.crt", half), ("shop.crt", ""), ("shop.key", "no key")];
    for (refused, (file, content)) in broken.into_iter().enumerate() {
        write_pair(&sluice, "shop", &good);
        sluice.write_file(file, content);
        sluice.hang_up();
        eventually("the refusal is counted", async || {
            let counted = sluice.metrics().await.sum("sluice_certificate_reloads_total", &[("result", "refused")]);
            holds(counted > refused as f64, || format!("{counted} refused"))
        })
        .await;
        assert!(presented(&client, sluice.address(), HOST).await == good.der().to_vec(), "{file}");
        assert_eq!(try_all(&client, sluice.address()).await.expect("an answer"), 200);
    }
    assert!(sluice.log().contains("certificates were refused"), "{}", sluice.log());
    write_pair(&sluice, "shop", &other);
    eventually("the next good pair is presented", async || {
        let is_new = presented(&client, sluice.address(), HOST).await == other.der().to_vec();
        holds(is_new, || "the old one".to_owned())
    })
    .await;
}

#[tokio::test]
async fn garbage_and_silence_instead_of_a_handshake_end_at_the_deadline_and_are_counted() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), one_certificate());
    sluice.rewrite(|config| config.set("/listeners/0/setupTimeout", json!("300ms")));
    sluice.run().await;
    // Only looks whether somebody listens.
    drop(Wire::connect(sluice.address()).await.expect("the proxy listens"));
    // The beginning of a ClientHello that announces more than ever comes.
    let beginnings: [&[u8]; 4] =
        [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[0xff; 64], &[22, 3, 1, 64, 0, 1, 0, 63, 252, 3, 3]];
    for beginning in beginnings {
        let mut wire = Wire::connect(sluice.address()).await.expect("the proxy listens");
        wire.write(beginning).await.expect("it can be written");
        sluice_tests::within(std::time::Duration::from_secs(15), "the connection ends", async || {
            wire.closed().await;
            Ok(true)
        })
        .await;
    }
    eventually("all are counted", async || {
        let counted = sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", "tls_handshake")]);
        holds(counted == 4.0, || counted.to_string())
    })
    .await;
    assert_eq!(try_all(&TlsClient::trusting(&issuer), sluice.address()).await.expect("an answer"), 200);
    assert_eq!(stable.requests(), 1);
}

#[tokio::test]
async fn plain_http_is_sent_to_https_but_for_the_challenges_of_acme() {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(
        Config::new(&stable)
            .set("/listeners/0/redirectToHttps", json!(true))
            .set("/trustedProxies", json!(["127.0.0.1"])),
    )
    .await;
    let to = sluice.address();
    for (target, location) in [
        ("/", "https://shop.example/"),
        ("/a/b?c=d&e", "https://shop.example/a/b?c=d&e"),
        ("//evil.example/%0d%0a", "https://shop.example//evil.example/%0d%0a"),
    ] {
        let mut wire = Wire::connect(to).await.expect("the proxy listens");
        for request in [Request::get(target), Request::post(target, "body")] {
            let response = wire.exchange(&request.host("shop.example:8080")).await.expect("an answer");
            assert_eq!((response.status, response.head.field("location")), (308, Some(location)));
        }
    }
    assert_eq!(stable.requests(), 0);
    assert_eq!(Request::get("/.well-known/acme-challenge/token").host(HOST).send(to).await.arm(), "v1");
    let from_proxy = Request::get("/").host(HOST).field("X-Forwarded-Proto", "https");
    assert_eq!(from_proxy.send(to).await.arm(), "v1", "a trusted proxy has it by https already");
}

#[tokio::test]
async fn answers_by_tls_say_that_it_stays_so() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut tls = one_certificate();
    tls["hsts"] = json!({ "maxAge": "365d", "includeSubdomains": true, "preload": true });
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), tls);
    sluice.run().await;
    let mut wire = TlsClient::trusting(&issuer).connect(sluice.address(), HOST).await.expect("a handshake");
    for target in ["/", "*"] {
        let response = wire.exchange(&Request::get(target).host(HOST)).await.expect("an answer");
        let said: Vec<_> = response.head.all("strict-transport-security").collect();
        assert_eq!(said, ["max-age=31536000; includeSubDomains; preload"], "{}", response.status);
    }
}

#[tokio::test]
async fn check_refuses_pairs_that_are_none_with_their_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let issuer = Issuer::new("authority");
    let (one, other) = (issuer.issue(&[HOST]), issuer.issue(&[HOST]));
    for (name, content) in [("a.crt", &one.certificate), ("a.key", &one.key), ("b.key", &other.key)] {
        std::fs::write(directory.path().join(name), content).expect("a file");
    }
    let file = directory.path().join("tls.yaml");
    for (tls, wrong, words) in [
        ("{ certificates: [{ cert: a.crt, key: a.key }] }", "", "valid"),
        ("{ certificates: [{ cert: a.crt, key: b.key }] }", "b.key", "is not the key of"),
        ("{ certificates: [{ cert: none.crt, key: a.key }] }", "none.crt", "can't be read"),
        ("{ certificates: [{ cert: a.key, key: a.key }] }", "a.key, key", "holds no certificate"),
        ("{ certificates: [{ cert: a.crt, key: a.crt }] }", "a.crt }", "holds no private key"),
        ("{ certificates: [] }", "[]", "at least one"),
        ("{ certificates: [{ cert: a.crt, key: a.key }], clientCa: b.key }", "b.key", "holds no certificate"),
        ("{ certificates: [{ cert: a.crt, key: a.key }], clientAuth: require }", "require", "clientCa is missing"),
        ("{ certificates: [{ cert: a.crt, key: a.key }], minVersion: \"1.1\" }", "\"1.1\"", "\"1.2\" or \"1.3\""),
    ] {
        let text = format!(
            "listeners:\n  - address: 127.0.0.1:8443\n    tls: {tls}\nrollouts:\n  - name: a\n    stable: {{ version: v1, endpoints: [\"h:1\"] }}\n"
        );
        std::fs::write(&file, text).expect("a file");
        let checked = sluice_tests::sluice::check(&file).await;
        let output = checked.output();
        let place = match wrong {
            "" => String::new(),
            wrong => format!("3:{}:", "    tls: ".len() + tls.find(wrong).expect("what is wrong is there") + 1),
        };
        checked.assert_code(i32::from(!wrong.is_empty()));
        assert!(output.contains(words) && output.contains(&place), "{tls}: {place} and {words:?} expected:\n{output}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_by_any_worker_and_not_after_a_change_of_certificates() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let (old, new) = (issuer.issue(&[HOST]), issuer.issue(&[HOST]));
    let mut sluice = prepare(&stable, &old, one_certificate());
    sluice.run().await;
    for client in [TlsClient::trusting(&issuer).only_1_2(), TlsClient::trusting(&issuer).only_1_3()] {
        write_pair(&sluice, "shop", &old);
        eventually("the first certificate is presented", async || {
            let is_old = presented(&client, sluice.address(), HOST).await == old.der().to_vec();
            holds(is_old, || "the other".to_owned())
        })
        .await;
        let client = client.remembering();
        let kind = async || {
            let mut wire = client.connect(sluice.address(), HOST).await.expect("a handshake");
            assert_eq!(ask(&mut wire).await.expect("an answer").status, 200);
            wire.stream().get_ref().1.handshake_kind()
        };
        assert_eq!(kind().await, Some(HandshakeKind::Full));
        // Two workers: some of these reach the one that did not issue the ticket.
        for _ in 0..6 {
            assert_eq!(kind().await, Some(HandshakeKind::Resumed));
        }
        write_pair(&sluice, "shop", &new);
        eventually("the next certificate is presented", async || {
            let is_new = presented(&client, sluice.address(), HOST).await == new.der().to_vec();
            holds(is_new, || "the first".to_owned())
        })
        .await;
        assert_eq!(kind().await, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn an_answer_in_the_middle_of_an_upload_arrives_and_the_end_is_said() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), one_certificate());
    sluice.run().await;
    let mut wire = TlsClient::trusting(&issuer).connect(sluice.address(), HOST).await.expect("a handshake");
    // Refused by its head, while the client goes on sending.
    wire.write(b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n").await.expect("it can be written");
    wire.write(&[b'x'; 200_000]).await.expect("it can be written");
    assert_eq!(wire.read_response(false).await.expect("an answer").status, 405);
    // Without close_notify this read would fail: the end could be somebody else's cut.
    let mut stream = wire.into_stream();
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.expect("an orderly end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_proxy_ends() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), one_certificate());
    sluice.run().await;
    let mut wire = TlsClient::trusting(&issuer).connect(sluice.address(), HOST).await.expect("a handshake");
    wire.write(&Request::get("/wait").host(HOST).to_bytes()).await.expect("it can be written");
    eventually("the upstream is asked", async || holds(stable.requests() == 1, || "not yet".to_owned())).await;
    sluice.terminate();
    eventually("it drains", async || holds(sluice.log().contains("draining"), || sluice.log())).await;
    stable.open_gate();
    assert_eq!(wire.read_response(false).await.expect("an answer").arm(), "v1");
    drop(wire);
    assert_eq!(sluice.ended().await, Some(0));
}

/// Runs a program of the machine with nothing to read; `None`, and a line that says so, where it is missing.
async fn run_tool(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let (program, arguments) = (program.to_owned(), arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>());
    let run = move || {
        std::process::Command::new(&program).args(&arguments).stdin(std::process::Stdio::null()).output().map_err(
            |error| {
                eprintln!("{program} is not installed ({error}): this part of the test steps aside");
            },
        )
    };
    let output = tokio::task::spawn_blocking(run).await.expect("it does not panic").ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[tokio::test]
async fn others_programs_are_served_and_old_versions_refused() {
    let stable = Backend::start("v1").await;
    let issuer = Issuer::new("authority");
    let mut sluice = prepare(&stable, &issuer.issue(&[HOST]), one_certificate());
    sluice.write_file("ca.pem", &issuer.pem());
    sluice.run().await;
    let (address, port) = (sluice.address().to_string(), sluice.address().port());
    let ca = sluice.directory().join("ca.pem").display().to_string();
    let resolve = format!("{HOST}:{port}:127.0.0.1");
    let url = format!("https://{HOST}:{port}/echo");
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let arguments = ["-sS", "--noproxy", "*", version, "--cacert", &ca, "--resolve", &resolve, &url];
        if let Some((is_good, said)) = run_tool("curl", &arguments).await {
            assert!(is_good && said.contains("x-forwarded-proto"), "{version}: {said}");
        }
    }
    let arguments = ["s_client", "-connect", &address, "-servername", HOST, "-CAfile", &ca, "-verify_return_error"];
    for (version, is_served) in [("-tls1_1", false), ("-tls1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        // Old versions are off in the program's own defaults; at this level it would speak them.
        let with = [&arguments[..], &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]].concat();
        if let Some((is_good, said)) = run_tool("openssl", &with).await {
            assert_eq!(is_good, is_served, "{version}: {said}");
            assert!(is_served || said.contains(" alert "), "{version}: {said}");
        }
    }
}
