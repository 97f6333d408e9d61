//! JSON and YAML for programs: exactly the types of the admin API, whatever else changes here.

use serde::Serialize;

use super::text::is_hostile;

/// JSON on several lines, with a line feed at its end.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| harmless(&text) + "\n").map_err(|error| error.to_string())
}

/// JSON on one line, with a line feed at its end.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map(|text| harmless(&text) + "\n").map_err(|error| error.to_string())
}

/// A YAML document.
pub(crate) fn yaml<T: Serialize>(value: &T) -> Result<String, String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

/// The same JSON without a character that could act on a terminal. The writer escapes only what JSON forbids; the
/// others can stand in strings only, where an escape means the same.
fn harmless(json: &str) -> String {
    if !json.contains(|character| is_hostile(character) && character != '\n') {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hostile(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use sluice_api::RolloutStatus;

    use super::*;
    use crate::samples;

    #[test]
    fn json_is_the_type_of_the_api() {
        let text = json(&samples::reverted()).unwrap();
        assert!(text.ends_with("}\n"));
        assert_eq!(serde_json::from_str::<RolloutStatus>(&text).unwrap(), samples::reverted());
    }

    #[test]
    fn a_json_line_has_no_line_feed_but_its_last() {
        assert_eq!(json_line(&samples::reverted()).unwrap().matches('\n').count(), 1);
    }

    #[test]
    fn yaml_reads_back_as_the_same() {
        let text = yaml(&samples::reverted()).unwrap();
        assert!(text.contains("\nphase: Degraded\n"), "{text}");
        assert_eq!(serde_saphyr::from_str::<RolloutStatus>(&text).unwrap(), samples::reverted());
    }

    #[test]
    fn documents_hold_no_character_that_acts_on_a_terminal() {
        let evil = "\x1b[2J\u{9b}\u{7f}\u{202e}\u{e0001}\n".to_owned();
        for text in [json(&evil), json_line(&evil), yaml(&evil)] {
            let text = text.unwrap();
            assert!(!text.trim_end().contains(|character: char| character.is_control()), "{text:?}");
        }
        let text = json(&evil).unwrap();
        assert!(!text.trim_end().contains(is_hostile), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), evil);
    }
}
