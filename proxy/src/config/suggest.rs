//! Words for messages: which name may have been meant, and lists of names.

/// The allowed name that is nearest to `written`, if one is near.
pub(super) fn closest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let plain = folded(written);
    if plain.is_empty() || plain.len() > 40 {
        return None;
    }
    let near = allowed.iter().map(|name| (distance(&plain, &folded(name)), *name)).min()?;
    // A third of the letters may differ; more is another word.
    (near.0 <= plain.len().div_ceil(3).min(3)).then_some(near.1)
}

/// `a, b and c`.
pub(super) fn list(names: &[&str], last: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Without case and separators, so that `set_weight` is `setWeight`.
fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        let allowed = ["setWeight", "pause", "analysis", "setCanaryScale"];
        for (written, meant) in
            [("setWieght", "setWeight"), ("set_weight", "setWeight"), ("SETWEIGHT", "setWeight"), ("pauses", "pause")]
        {
            assert_eq!(closest(written, &allowed), Some(meant), "{written}");
        }
        for written in ["", "x", "replicas", "mirror"] {
            assert_eq!(closest(written, &allowed), None, "{written}");
        }
    }
}
