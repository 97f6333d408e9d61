use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn text(version: &str) -> String {
    format!(
        "listeners: [{{ address: 127.0.0.1:0 }}]\nrollouts: [{{ name: shop, stable: {{ version: {version}, endpoints: [a:1] }} }}]\n"
    )
}

fn mk_reloader() -> (TempDir, PathBuf, Reloader) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.yaml");
    std::fs::write(&file, text("v1")).unwrap();
    let (_, reloader) = Reloader::open(&file).unwrap();
    (directory, file, reloader)
}

/// The stable version of the configuration that a look yields, or its error; looks until nothing more changes.
fn outcome(reloader: &mut Reloader) -> Option<String> {
    (0..3).find_map(|_| reloader.look(false)).map(describe)
}

fn describe(reload: Reload) -> String {
    match reload {
        Reload::Ready(config) => config.rollouts[0].stable.version.to_string(),
        Reload::Refused(errors) => format!("refused {errors}"),
    }
}

#[test]
fn an_unchanged_or_merely_touched_file_is_no_news() {
    let (_directory, file, mut reloader) = mk_reloader();
    assert_eq!(outcome(&mut reloader), None);
    std::fs::write(&file, text("v1")).unwrap();
    assert_eq!(outcome(&mut reloader), None);
}

#[test]
fn a_change_is_reported_once_when_it_is_seen_twice() {
    let (_directory, file, mut reloader) = mk_reloader();
    std::fs::write(&file, text("v2")).unwrap();
    assert!(reloader.look(false).is_none());
    assert_eq!(reloader.look(false).map(describe).as_deref(), Some("v2"));
    assert!(reloader.look(false).is_none());
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone_until_it_rests() {
    let (_directory, file, mut reloader) = mk_reloader();
    let whole = text("v2");
    for length in [10, 40, 70] {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(reloader.look(false).is_none());
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(outcome(&mut reloader).as_deref(), Some("v2"));
}

#[test]
fn a_config_map_that_is_swapped_by_its_link_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (generation, version) in [("..1", "v1"), ("..2", "v2")] {
        std::fs::create_dir(at(generation)).unwrap();
        std::fs::write(at(generation).join("shop.yaml"), text(version)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/shop.yaml", at("shop.yaml")).unwrap();
    let (_, mut reloader) = Reloader::open(&at("shop.yaml")).unwrap();
    assert_eq!(outcome(&mut reloader), None);
    symlink("..2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert_eq!(outcome(&mut reloader).as_deref(), Some("v2"));
}

#[test]
fn a_file_that_is_gone_keeps_what_runs_and_is_read_when_it_returns() {
    let (_directory, file, mut reloader) = mk_reloader();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(outcome(&mut reloader), None);
    std::fs::write(&file, text("v1")).unwrap();
    assert_eq!(outcome(&mut reloader), None);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(outcome(&mut reloader), None);
    std::fs::write(&file, text("v2")).unwrap();
    assert_eq!(outcome(&mut reloader).as_deref(), Some("v2"));
}

#[test]
fn a_wrong_file_is_refused_once_and_its_mending_is_noticed() {
    let (_directory, file, mut reloader) = mk_reloader();
    std::fs::write(&file, "listeners: 1").unwrap();
    let refused = outcome(&mut reloader).unwrap();
    assert!(refused.contains("shop.yaml:1:12: listeners: 1: a list is expected"), "{refused}");
    assert_eq!(outcome(&mut reloader), None);
    std::fs::write(&file, text("v1")).unwrap();
    assert_eq!(outcome(&mut reloader).as_deref(), Some("v1"));
}

#[test]
fn who_asks_is_answered_even_if_nothing_changed() {
    let (_directory, file, mut reloader) = mk_reloader();
    assert_eq!(reloader.look(true).map(describe).as_deref(), Some("v1"));
    std::fs::remove_file(&file).unwrap();
    let refused = reloader.look(true).map(describe).unwrap();
    assert!(refused.contains("can't be read"), "{refused}");
}

#[tokio::test]
async fn it_runs_until_it_is_told_to_stop() {
    let (_directory, file, reloader) = mk_reloader();
    let (outcomes, mut taken) = mpsc::channel(1);
    let (stop, shutdown) = watch::channel(false);
    let handle = reloader.handle();
    let running = tokio::spawn(reloader.with_poll(Duration::from_millis(5)).run(outcomes, shutdown));
    handle.ask();
    assert_eq!(describe(taken.recv().await.unwrap()), "v1");
    std::fs::write(&file, text("v2")).unwrap();
    assert_eq!(describe(taken.recv().await.unwrap()), "v2");
    stop.send(true).unwrap();
    running.await.unwrap();
    assert!(taken.recv().await.is_none());
}
