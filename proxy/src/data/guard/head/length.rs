//! The value of `Content-Length`: digits, once. A sign, a list or a second line would be read differently by somebody.

use super::super::LARGEST;
use crate::data::reject::Rejection;

/// The value as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Length {
    step: Step,
    value: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Before,
    Digits,
    /// Blanks behind the digits.
    After,
    /// Its line has ended.
    Done,
}

// === impl Length ===

impl Length {
    /// The length, if there is a line of it.
    pub(super) fn found(self) -> Option<u64> {
        (self.step == Step::Done).then_some(self.value)
    }

    /// Takes the next byte of the value; whether it was the line's CR.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, Rejection> {
        self.step = match (self.step, byte) {
            (Step::Before, b' ' | b'\t') => Step::Before,
            (Step::Before | Step::Digits, b'0'..=b'9') => {
                self.value = self.value * 10 + u64::from(byte - b'0');
                if self.value > LARGEST {
                    return Err(Rejection::Framing);
                }
                Step::Digits
            }
            (Step::Digits | Step::After, b' ' | b'\t') => Step::After,
            (Step::Digits | Step::After, b'\r') => Step::Done,
            _ => return Err(Rejection::Framing),
        };
        Ok(self.step == Step::Done)
    }
}
