//! The gates that have to be asked at present, for whoever asks them, and the answers.

use std::sync::Arc;

use sluice_engine::plan::Point;
use sluice_engine::rollout::{GateAnswer, Input};
use sluice_engine::units::Weight;

use super::Pilot;
use super::driver::Driver;
use crate::config::GateConfig;
use crate::gates::{GateResult, Said};

/// A gate that is to be asked, again and again, until this is no longer among the open questions.
#[derive(Clone, Debug)]
pub struct OpenQuestion {
    /// The rollout's name.
    pub rollout: Arc<str>,
    /// Whom to ask and how.
    pub gate: Arc<GateConfig>,
    /// At which of its points.
    pub point: Point,
    /// The generation that is asked about.
    pub generation: u64,
    /// The question's number within it.
    pub number: u64,
    /// The weight now.
    pub weight: Weight,
    /// The weight that is asked for.
    pub next: Weight,
}

/// An answer on its way to the pilot.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) rollout: Arc<str>,
    pub(super) answer: GateAnswer,
    pub(super) result: GateResult,
}

// === impl OpenQuestion ===

impl OpenQuestion {
    /// Whether both ask the same gate, in the same way, about the same raise.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.gate, &other.gate)
            && self.rollout == other.rollout
            && (self.generation, self.number) == (other.generation, other.number)
    }
}

// === impl Answered ===

impl Answered {
    pub(super) fn new(question: &OpenQuestion, said: Said) -> Self {
        let answer = GateAnswer {
            generation: question.generation,
            question: question.number,
            gate: question.gate.name.as_ref().to_owned(),
            open: said.result == GateResult::Open,
            message: said.message,
        };
        Self { rollout: Arc::clone(&question.rollout), answer, result: said.result }
    }
}

// === impl Pilot ===

impl Pilot {
    pub(super) fn take_answer(&mut self, answered: Answered) {
        let Answered { rollout, answer, result } = answered;
        // It may be gone since it was asked about; the engine knows the questions of those that are not.
        let Some(i) = self.drivers.iter().position(|driver| driver.name == rollout) else { return };
        self.drivers[i].board.count_answer(&answer.gate, result);
        self.step(i, Input::GateAnswer(answer));
    }

    /// Says what has to be asked, if that has changed.
    pub(super) fn put_questions(&self) {
        let open: Vec<OpenQuestion> = self.drivers.iter().flat_map(open_questions).collect();
        self.shared.questions.send_if_modified(|known| {
            let is_known = known.len() == open.len() && known.iter().zip(&open).all(|(a, b)| a.is_same(b));
            if !is_known {
                *known = open;
            }
            !is_known
        });
    }
}

fn open_questions(driver: &Driver) -> Vec<OpenQuestion> {
    let Some(question) = driver.engine().question() else { return Vec::new() };
    let open = |(name, point): (String, Point)| {
        Some(OpenQuestion {
            rollout: Arc::clone(&driver.name),
            gate: driver.gates.iter().find(|gate| *gate.name == *name).map(Arc::clone)?,
            point,
            generation: question.generation,
            number: question.number,
            weight: question.weight,
            next: question.next,
        })
    };
    question.gates.into_iter().filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use sluice_api::{GateState, Phase, Reason};
    use sluice_engine::rollout::Command;

    use super::*;
    use crate::pilot::fixture::{Cockpit, SHOP};

    fn gated(url: &str) -> String {
        format!("{SHOP}    gates: [{{ name: window, webhook: {{ url: \"{url}\" }} }}]\n")
    }

    impl Cockpit {
        fn questions(&self) -> Vec<OpenQuestion> {
            self.handle.questions().borrow().clone()
        }

        fn gate_says(&mut self, question: &OpenQuestion, result: GateResult) {
            let said = Said { result, message: "frozen".to_owned() };
            self.pilot.take_answer(Answered::new(question, said));
        }
    }

    #[test]
    fn a_question_is_put_up_until_it_is_answered_and_the_weight_still_waits_for_the_disk() {
        let mut cockpit = Cockpit::start(&gated("http://127.0.0.1:1/gate"), None);
        let questions = cockpit.questions();
        assert_eq!((questions.len(), questions[0].point, questions[0].next.percent()), (1, Point::Start, 20.0));
        assert_eq!(cockpit.weight(), 0.0);
        cockpit.gate_says(&questions[0], GateResult::Open);
        assert_eq!(cockpit.weight(), 0.0, "the state that raises is not on disk yet");
        assert!(cockpit.questions().is_empty());
        cockpit.wait_for_disk();
        assert_eq!(cockpit.weight(), 20.0);
    }

    #[test]
    fn a_closed_gate_is_shown_counted_and_asked_on() {
        let mut cockpit = Cockpit::start(&gated("http://127.0.0.1:1/gate"), None);
        let question = cockpit.questions().remove(0);
        cockpit.gate_says(&question, GateResult::Closed);
        cockpit.gate_says(&question, GateResult::Failed);
        cockpit.pass(3_400);
        let status = cockpit.status();
        assert_eq!((status.phase, status.reason, status.step.index), (Phase::Paused, Reason::WaitingForGate, 0));
        let gate = &status.gates[0];
        assert_eq!(
            (gate.state, gate.point, gate.message.as_deref()),
            (GateState::Closed, Some(Point::Start), Some("frozen"))
        );
        assert!(gate.since_seconds.unwrap() >= 2.9);
        assert_eq!(status.waiting_for, ["the gate window is closed (3 s): frozen"]);
        assert_eq!(cockpit.handle.totals()[0].tally.answers.len(), 2);
        assert!(cockpit.questions()[0].is_same(&question));
    }

    #[test]
    fn a_reload_asks_the_gate_where_it_is_now_and_one_that_is_gone_keeps_nothing() {
        let mut cockpit = Cockpit::start(&gated("http://127.0.0.1:1/gate"), None);
        let question = cockpit.questions().remove(0);
        cockpit.gate_says(&question, GateResult::Closed);
        cockpit.reload(&gated("http://127.0.0.1:2/gate"));
        let moved = cockpit.questions().remove(0);
        assert!(!moved.is_same(&question) && moved.gate.url.port() == 2);
        cockpit.reload(SHOP);
        cockpit.pass(1_500);
        assert_eq!((cockpit.weight(), cockpit.view().generation), (20.0, 1));
        assert!(cockpit.questions().is_empty());
    }

    #[test]
    fn a_late_answer_to_a_rollout_that_is_gone_or_taken_back_changes_nothing() {
        let mut cockpit = Cockpit::start(&gated("http://127.0.0.1:1/gate"), None);
        let question = cockpit.questions().remove(0);
        cockpit.command(Command::Abort { reason: None }).unwrap();
        assert!(cockpit.questions().is_empty());
        cockpit.gate_says(&question, GateResult::Open);
        cockpit.gate_says(&OpenQuestion { rollout: "other".into(), ..question }, GateResult::Open);
        cockpit.wait_for_disk();
        assert_eq!((cockpit.weight(), cockpit.status().reason), (0.0, Reason::Aborted));
    }

    #[test]
    fn the_time_of_a_generation_begins_with_its_first_weight() {
        let mut cockpit = Cockpit::start(&gated("http://127.0.0.1:1/gate"), None);
        let (before, question) = (cockpit.view(), cockpit.questions().remove(0));
        cockpit.pass(60_000);
        cockpit.gate_says(&question, GateResult::Open);
        cockpit.wait_for_disk();
        let view = cockpit.view();
        assert_eq!(view.generation, before.generation);
        assert!(view.origin_us >= before.origin_us + 59_000_000);
        cockpit.pass(1_000);
        assert_eq!((cockpit.weight(), cockpit.status().step.index), (20.0, 1));
    }
}
