use std::os::unix::fs::PermissionsExt;

use serde::Deserialize;
use tempfile::TempDir;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    veto: u64,
    score: f64,
}

type State = BTreeMap<String, Entry>;

fn mk_store() -> (TempDir, StateStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(&directory.path().join("state")).unwrap();
    (directory, store)
}

fn mk_state(veto: u64) -> State {
    State::from([
        ("shop".to_owned(), Entry { veto, score: 0.1 + 0.2 }),
        ("ä \"x\"".to_owned(), Entry { veto, score: 1e-300 }),
    ])
}

fn names(store: &StateStore) -> Vec<String> {
    let entries = std::fs::read_dir(&store.directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn is_lost(loaded: &Loaded<Entry>) -> bool {
    matches!(loaded, Loaded::Lost { .. })
}

#[test]
fn what_was_saved_last_is_loaded_bit_for_bit() {
    let (_directory, store) = mk_store();
    assert_eq!(store.load::<Entry>(), Loaded::Missing);
    for veto in [1, 2] {
        store.save(&mk_state(veto)).unwrap();
        assert_eq!(store.load(), Loaded::Found(mk_state(veto)));
    }
    assert_eq!(names(&store), ["lock", "rollouts.json"]);
}

#[test]
fn nobody_else_may_read_the_directory_the_state_or_the_token() {
    let (_directory, store) = mk_store();
    store.save(&mk_state(1)).unwrap();
    let token_file = store.directory.join("admin.token");
    Token::read_or_make(&token_file).unwrap();
    assert_eq!((mode(&store.directory), mode(&token_file), mode(&store.rollouts_file())), (0o700, 0o600, 0o600));
}

#[test]
fn a_second_proxy_is_kept_out_until_the_first_is_gone() {
    let (_directory, store) = mk_store();
    let path = store.directory.clone();
    let error = StateStore::open(&path).unwrap_err();
    assert!(matches!(error, StateError::InUse(_)), "{error}");
    drop(store);
    StateStore::open(&path).unwrap();
}

#[test]
fn a_file_cut_off_at_any_byte_is_lost_and_kept_for_inspection() {
    let (_directory, store) = mk_store();
    store.save(&mk_state(1)).unwrap();
    let whole = std::fs::read(store.rollouts_file()).unwrap();
    // Without its last byte, a line end, it is still whole.
    for length in 0..whole.len() - 1 {
        std::fs::write(store.rollouts_file(), &whole[..length]).unwrap();
        let loaded = store.load::<Entry>();
        assert!(is_lost(&loaded), "{length}: {loaded:?}");
        assert_eq!(store.load::<Entry>(), Loaded::Missing);
    }
    let aside = names(&store).into_iter().filter(|name| name.starts_with("rollouts.json.corrupt-")).count();
    assert_eq!(aside, MAX_ASIDE);
}

#[test]
fn a_file_with_any_byte_changed_is_lost_or_says_the_same() {
    let (_directory, store) = mk_store();
    store.save(&mk_state(1)).unwrap();
    let whole = std::fs::read(store.rollouts_file()).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x01;
        std::fs::write(store.rollouts_file(), &changed).unwrap();
        let loaded = store.load::<Entry>();
        assert!(is_lost(&loaded) || loaded == Loaded::Found(mk_state(1)), "{at}: {loaded:?}");
    }
}

#[test]
fn garbage_is_lost_and_never_overwrites_what_was_set_aside_before() {
    let (_directory, store) = mk_store();
    for (i, garbage) in [&b"\0\0\0\0"[..], b"[]", b"{}", b"{\"formatVersion\":1}", b"\xff\xfe"].into_iter().enumerate()
    {
        std::fs::write(store.rollouts_file(), garbage).unwrap();
        assert!(is_lost(&store.load()));
        let kept = store.directory.join(format!("rollouts.json.corrupt-{}", i + 1));
        assert_eq!(std::fs::read(kept).unwrap(), garbage);
    }
}

#[test]
fn a_state_of_another_shape_is_lost_although_it_is_whole() {
    let (_directory, store) = mk_store();
    store.save(&BTreeMap::from([("shop".to_owned(), "text")])).unwrap();
    assert!(is_lost(&store.load()));
}

#[test]
fn a_state_from_the_future_is_kept_for_the_newer_program() {
    let (_directory, store) = mk_store();
    let future = br#"{"formatVersion":2,"whatever":[1,2,3]}"#;
    std::fs::write(store.rollouts_file(), future).unwrap();
    let Loaded::Lost { reason } = store.load::<Entry>() else { panic!("it can't be understood") };
    assert!(reason.contains("has format 2, this program reads up to 1"), "{reason}");
    assert_eq!(std::fs::read(store.directory.join("rollouts.json.future-1")).unwrap(), future);
    store.save(&mk_state(1)).unwrap();
    assert_eq!(store.load(), Loaded::Found(mk_state(1)));
}

#[test]
fn a_save_that_fails_leaves_the_old_state_and_says_why() {
    let (_directory, store) = mk_store();
    store.save(&mk_state(1)).unwrap();
    // The one obstacle that also stops root: a directory where the new file should be written.
    let obstacle = store.directory.join("rollouts.json.tmp");
    std::fs::create_dir(&obstacle).unwrap();
    let error = store.save(&mk_state(2)).unwrap_err().to_string();
    assert!(error.starts_with("can't write ") && error.contains("rollouts.json: "), "{error}");
    assert_eq!(store.load(), Loaded::Found(mk_state(1)));
    std::fs::remove_dir(&obstacle).unwrap();
    store.save(&mk_state(2)).unwrap();
    assert_eq!(store.load(), Loaded::Found(mk_state(2)));
}

#[test]
fn a_read_only_directory_can_be_loaded_from_and_refuses_saves() {
    let (_directory, store) = mk_store();
    let path = store.directory.clone();
    store.save(&mk_state(1)).unwrap();
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o500)).unwrap();
    let store = StateStore::open(&path).unwrap();
    assert_eq!(store.load(), Loaded::Found(mk_state(1)));
    // Permissions do not stop root.
    let is_enforced = File::create(path.join("probe")).is_err();
    assert_eq!(store.save(&mk_state(2)).is_err(), is_enforced);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_token_is_made_once_and_has_256_random_bits() {
    let (_directory, store) = mk_store();
    let file = store.directory.join("admin.token");
    let token = Token::read_or_make(&file).unwrap();
    assert_eq!(Token::read_or_make(&file).unwrap(), token);
    assert!(token.secret().len() == 64 && token.secret().bytes().all(|b| b.is_ascii_hexdigit()));
    assert_ne!(Token::read_or_make(&store.directory.join("other.token")).unwrap(), token);
    assert!(!format!("{token:?}").contains(token.secret()));
}

#[test]
fn a_token_that_is_empty_short_or_no_text_is_refused_and_not_replaced() {
    let (_directory, store) = mk_store();
    let file = store.directory.join("admin.token");
    for text in ["", "\n", "short", "0123456789abcdef with spaces", "0123456789abcdefä"] {
        std::fs::write(&file, text).unwrap();
        assert!(matches!(Token::read_or_make(&file), Err(StateError::Token { .. })), "{text:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    std::fs::write(&file, "chosen-by-hand-0123456789\n").unwrap();
    assert_eq!(Token::read_or_make(&file).unwrap().secret(), "chosen-by-hand-0123456789");
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(StateStore::open(&file), Err(StateError::Io { .. })));
}
