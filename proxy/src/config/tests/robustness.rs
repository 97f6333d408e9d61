//! No input makes it panic, run for long, or take much memory.

use proptest::prelude::*;

use super::*;

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 0..20 {
        text += &format!("b{i}: &a{} [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}]\n", i + 1);
    }
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("at most 20000 values"), "{error}");
}

#[test]
fn a_document_that_is_nested_without_end_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        let text = format!("listeners: {}x{}", open.repeat(50_000), close.repeat(50_000));
        assert!(parse(&text).is_err(), "{open}");
    }
}

#[test]
fn more_than_a_mebibyte_is_refused_unread() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("big.yaml");
    std::fs::write(&file, "#".repeat(10 * 1024 * 1024)).unwrap();
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.ends_with("is larger than 1048576 bytes, which are allowed"), "{error}");
}

#[test]
fn of_a_thousand_mistakes_the_first_are_shown_and_the_rest_is_counted() {
    let mut text = "listeners:\n".to_owned();
    text += &"  - adress: x\n".repeat(1_000);
    let errors = parse(&text).unwrap_err();
    assert_eq!(errors.findings().len(), 50);
    assert!(errors.to_string().ends_with("and 950 more"), "{errors}");
}

#[test]
fn what_the_file_holds_can_not_write_to_the_terminal() {
    let error = parse(&file_with("\"\\e[31mred\\u202e\\nnext\": 1")).unwrap_err().with_excerpts().to_string();
    assert!(!error.contains(['\u{1b}', '\u{202e}']) && error.lines().count() == 3, "{error:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Config::parse(&bytes, Path::new("x"));
    }

    #[test]
    fn no_punctuation_makes_it_panic(text in "[-:?\\[\\]{}&*!|>'\"%@`#,\n \tab0.]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        at in 0..EXAMPLE.len(),
        length in 0..40_usize,
        put in "[-:?\\[\\]{}&*!\n \ta0.%]{0,6}",
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, put.bytes());
        if let Err(errors) = Config::parse(&bytes, Path::new("x")) {
            prop_assert!(!errors.findings().is_empty());
            prop_assert!(!errors.with_excerpts().to_string().is_empty());
        }
    }

    #[test]
    fn every_line_left_out_of_a_good_file_is_either_no_loss_or_found(line in 0..EXAMPLE.lines().count()) {
        let text: String = EXAMPLE.lines().enumerate().filter(|(i, _)| *i != line).map(|(_, text)| format!("{text}\n")).collect();
        if let Err(errors) = parse(&text) {
            prop_assert!(errors.findings().iter().all(|finding| finding.at.is_some()), "{}", errors);
        }
    }
}
