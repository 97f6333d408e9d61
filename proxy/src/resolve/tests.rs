use std::io;
use std::sync::atomic::AtomicUsize;

use super::*;

const MS: Duration = Duration::from_millis(1);
/// Long enough for anything here, so that a test that hangs ends.
const DEADLINE: Duration = Duration::from_secs(10);

type Answer = io::Result<Vec<SocketAddr>>;

/// A name server that says what the test wants.
#[derive(Clone, Default)]
struct Script {
    answer: Arc<Mutex<Vec<SocketAddr>>>,
    asked: Arc<AtomicUsize>,
    is_silent: Arc<std::sync::atomic::AtomicBool>,
}

impl Script {
    fn says(&self, addresses: &[&str]) {
        *self.answer.lock().unwrap() = addresses.iter().map(|address| mk_address(address)).collect();
    }

    fn lookup(&self) -> impl Fn(Arc<str>) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> + use<> {
        let script = self.clone();
        move |_| {
            script.asked.fetch_add(1, Relaxed);
            let answer = script.answer.lock().unwrap().clone();
            let is_silent = script.is_silent.load(Relaxed);
            Box::pin(async move {
                if is_silent {
                    std::future::pending::<()>().await;
                }
                if answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(answer) }
            })
        }
    }
}

fn mk_address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn resolved(endpoint: &Endpoint) -> Option<String> {
    endpoint.resolved.load().as_ref().map(|address| address.to_string())
}

/// Runs `test` beside the resolver of a registry, which asks again every millisecond.
async fn beside<T>(registry: &EndpointRegistry, script: &Script, test: impl Future<Output = T>) -> T {
    let (_interval, interval) = watch::channel(MS);
    let (_stop, shutdown) = watch::channel(false);
    tokio::select! {
        () = registry.run_with(script.lookup(), interval, shutdown) => panic!("it was not told to stop"),
        result = tokio::time::timeout(DEADLINE, test) => result.expect("in time"),
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(MS).await;
    }
}

async fn until_asked_again(script: &Script) {
    let before = script.asked.load(Relaxed);
    // Two more, so that one began after now and was answered.
    until(|| script.asked.load(Relaxed) > before + 2).await;
}

#[test]
fn an_address_has_one_endpoint_while_somebody_holds_it() {
    let registry = EndpointRegistry::default();
    let first = registry.endpoint(&"127.0.0.1:80".into());
    assert_eq!(resolved(&first).as_deref(), Some("127.0.0.1:80"));
    first.passing.store(false, Relaxed);
    let again = registry.endpoint(&"127.0.0.1:80".into());
    assert!(Arc::ptr_eq(&first, &again));
    let other = registry.endpoint(&"127.0.0.2:80".into());
    assert_ne!(first.id, other.id);
    let id = first.id;
    drop((first, again));
    assert_eq!(registry.in_use().len(), 1);
    assert_ne!(registry.endpoint(&"127.0.0.1:80".into()).id, id, "its connections are gone too");
}

#[test]
fn arms_with_an_address_in_common_share_its_endpoint() {
    let registry = EndpointRegistry::default();
    let mk_arm = |version: &str, addresses: &[&str]| {
        let endpoints = addresses.iter().map(|&address| address.into()).collect();
        registry.arm(&ArmConfig { version: version.into(), endpoints })
    };
    let (canary, promoted) = (mk_arm("v2", &["10.0.0.1:80", "10.0.0.2:80"]), mk_arm("v2-stable", &["10.0.0.2:80"]));
    assert!(Arc::ptr_eq(&canary.endpoints[1], &promoted.endpoints[0]));
    assert_eq!(&*canary.version, "v2");
}

#[test]
fn endpoints_that_come_and_go_leave_nothing_behind() {
    let registry = EndpointRegistry::default();
    for i in 0..10_000 {
        registry.endpoint(&format!("10.0.{}.{}:80", i / 256, i % 256).into());
    }
    assert!(registry.known().by_address.len() <= 1);
}

#[tokio::test]
async fn the_last_good_address_is_kept_while_the_name_server_fails() {
    let (registry, script) = (EndpointRegistry::default(), Script::default());
    let shop = registry.endpoint(&"shop:80".into());
    assert_eq!(resolved(&shop), None);
    script.says(&["10.0.0.1:80"]);
    beside(&registry, &script, async {
        assert!(registry.settle(DEADLINE).await);
        assert_eq!(resolved(&shop).as_deref(), Some("10.0.0.1:80"));
        script.says(&[]);
        until_asked_again(&script).await;
        assert_eq!(resolved(&shop).as_deref(), Some("10.0.0.1:80"));
        script.is_silent.store(true, Relaxed);
        let before = script.asked.load(Relaxed);
        until(|| script.asked.load(Relaxed) > before).await;
        assert_eq!(resolved(&shop).as_deref(), Some("10.0.0.1:80"));
    })
    .await;
}

#[tokio::test]
async fn an_address_is_kept_while_the_answer_has_it_and_left_when_it_has_not() {
    let (registry, script) = (EndpointRegistry::default(), Script::default());
    let shop = registry.endpoint(&"shop:80".into());
    script.says(&["10.0.0.1:80", "10.0.0.2:80"]);
    beside(&registry, &script, async {
        assert!(registry.settle(DEADLINE).await);
        script.says(&["10.0.0.2:80", "10.0.0.1:80"]);
        until_asked_again(&script).await;
        assert_eq!(resolved(&shop).as_deref(), Some("10.0.0.1:80"));
        script.says(&["10.0.0.3:80", "10.0.0.2:80"]);
        until(|| resolved(&shop).as_deref() == Some("10.0.0.3:80")).await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_connect_moves_on_to_the_next_address() {
    let (registry, script) = (EndpointRegistry::default(), Script::default());
    let shop = registry.endpoint(&"shop:80".into());
    script.says(&["10.0.0.1:80", "10.0.0.2:80"]);
    beside(&registry, &script, async {
        assert!(registry.settle(DEADLINE).await);
        shop.connect_failures.store(1, Relaxed);
        shop.ejected_until_us.store(u64::MAX, Relaxed);
        until(|| resolved(&shop).as_deref() == Some("10.0.0.2:80")).await;
        assert!(shop.is_usable(0), "the next address has not failed yet");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_added_later_does_not_wait_for_the_next_round() {
    let (registry, script) = (EndpointRegistry::default(), Script::default());
    script.says(&["10.0.0.1:80"]);
    beside(&registry, &script, async {
        let shop = registry.endpoint(&"shop:80".into());
        assert!(registry.settle(DEADLINE).await);
        assert!(resolved(&shop).is_some());
    })
    .await;
}

#[tokio::test]
async fn a_silent_name_server_is_asked_once_for_each_name_and_others_are_still_resolved() {
    let (registry, script) = (EndpointRegistry::default(), Script::default());
    script.is_silent.store(true, Relaxed);
    let slow = registry.endpoint(&"slow:80".into());
    beside(&registry, &script, async {
        until(|| script.asked.load(Relaxed) == 1).await;
        script.is_silent.store(false, Relaxed);
        script.says(&["10.0.0.1:80"]);
        let fast = registry.endpoint(&"fast:80".into());
        until(|| resolved(&fast).is_some()).await;
        assert!(!registry.settle(MS).await);
        assert_eq!(resolved(&slow), None);
    })
    .await;
}

#[tokio::test]
async fn names_are_resolved_by_the_system_and_it_stops_when_told() {
    let registry = Arc::new(EndpointRegistry::default());
    let local = registry.endpoint(&"localhost:80".into());
    let (_interval, interval) = watch::channel(DEADLINE);
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(registry.clone().run(interval, shutdown));
    assert!(registry.settle(DEADLINE).await);
    assert!(local.resolved.load().as_ref().unwrap().ip().is_loopback());
    stop.send(true).unwrap();
    running.await.unwrap();
}
