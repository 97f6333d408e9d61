//! Gates: who is asked when, and that nothing but a yes to this very raise lets the weight rise.

use super::*;
use crate::plan::{Gate, Point, RawGate};
use crate::units::Millis;

const EVERYWHERE: &str = r#"[{"name": "window", "webhook": 0}]"#;

fn gated(strategy: &str, analysis: &str, gates: &str) -> Plan {
    let raw: Vec<RawGate<u32>> = serde_json::from_str(gates).expect("gates parse");
    Plan { gates: Gate::list_from_raw(&raw, false).expect("valid gates"), ..mk_plan(strategy, analysis) }
}

fn mk_world(gates: &str) -> World {
    World::with(Rollout::new(gated(LADDER, "{}", gates), "v1".to_owned()))
}

impl World {
    fn question(&self) -> Option<Question> {
        self.rollout().question()
    }

    /// An answer to the present question.
    fn say(&mut self, gate: &str, open: bool) -> Vec<Action> {
        let question = self.question().expect("a gate is asked");
        self.say_to(question.generation, question.number, gate, open)
    }

    fn say_to(&mut self, generation: u64, question: u64, gate: &str, open: bool) -> Vec<Action> {
        let message = if open { String::new() } else { "frozen until Monday".to_owned() };
        self.send(Input::GateAnswer(GateAnswer { generation, question, gate: gate.to_owned(), open, message }))
    }

    fn until_asked(&mut self) -> Question {
        for _ in 0..12_000 {
            if let Some(question) = self.question() {
                return question;
            }
            self.tick();
        }
        panic!("no gate is asked: {:?}", self.rollout().view(self.now).message);
    }

    fn gate(&self, i: usize) -> GateView {
        self.rollout().view(self.now).gates[i].clone()
    }
}

#[test]
fn each_raise_asks_once_and_goes_on_when_the_gate_is_open() {
    let mut world = mk_world(EVERYWHERE);
    world.release("v2");
    let mut asked = Vec::new();
    for _ in 0..3 {
        let question = world.until_asked();
        asked.push((question.weight.percent(), question.next.percent(), question.gates[0].1, question.number));
        world.say("window", true);
        assert_eq!(world.question(), None, "the raise comes with the answer");
        assert_eq!(world.rollout().weight(), question.next);
    }
    let points = [(0.0, 10.0, Point::Start, 1), (10.0, 50.0, Point::Raise, 2), (50.0, 100.0, Point::Promotion, 3)];
    assert_eq!(asked, points);
    world.run_until(Reason::Completed);
    assert_eq!(world.question(), None, "letting the old version go asks nobody");
    assert_eq!(world.events(EventKind::Paused), 0);
}

#[test]
fn a_gate_is_asked_only_at_its_points_and_the_last_raise_is_a_raise_too() {
    let mut world = mk_world(
        r#"[{"name": "raise", "before": ["raise"], "webhook": 0}, {"name": "end", "before": ["promotion"], "webhook": 0}]"#,
    );
    world.release("v2");
    assert_eq!(world.rollout().weight().percent(), 10.0, "nobody is asked before the start");
    assert_eq!(world.until_asked().gates, [("raise".to_owned(), Point::Raise)]);
    world.say("raise", true);
    let last = world.until_asked();
    assert_eq!(last.gates, [("raise".to_owned(), Point::Raise), ("end".to_owned(), Point::Promotion)]);
    world.say("end", true);
    assert_eq!(world.rollout().weight().percent(), 50.0, "one of two is not enough");
    world.say("raise", true);
    assert_eq!(world.rollout().weight(), Weight::FULL);
}

#[test]
fn a_gate_closed_at_the_start_keeps_everything_from_the_canary_and_time_begins_when_it_opens() {
    let mut world = mk_world(EVERYWHERE);
    world.release("v2");
    world.say("window", false);
    world.run_seconds(3_600);
    let view = world.rollout().view(world.now);
    assert_eq!((view.phase, view.reason, view.weight), (Phase::Paused, Reason::WaitingForGate, Weight::ZERO));
    assert_eq!(
        view.message,
        "waits at 0 %: the gate window is closed (60 min): frozen until Monday; promote --full passes it"
    );
    assert_eq!(world.weights(), [0.0]);
    world.say("window", true);
    assert_eq!((world.rollout().reason(), world.rollout().origin_ms()), (Reason::Step, world.now));
    assert_eq!(world.rollout().generation(), 1);
    for _ in 0..2 {
        world.until_asked();
        world.say("window", true);
    }
    world.run_until(Reason::Completed);
    assert!(world.rollout().view(world.now).history[0].duration_ms > 3_600_000);
}

#[test]
fn while_a_gate_is_closed_evidence_goes_on_and_a_failing_canary_is_taken_back() {
    let mut world = mk_world(EVERYWHERE);
    world.release("v2");
    world.say("window", true);
    world.until_asked();
    world.say("window", false);
    let seen = world.rollout().view(world.now).metrics[0].n;
    world.run_seconds(600);
    assert_eq!((world.rollout().reason(), world.rollout().weight().percent()), (Reason::WaitingForGate, 10.0));
    assert!(world.rollout().view(world.now).metrics[0].n > seen);
    world.canary_fails = 1;
    world.run_until(Reason::Reverted);
    assert_eq!((world.rollout().weight(), world.question()), (Weight::ZERO, None));
}

#[test]
fn waiting_for_a_gate_is_told_once_for_each_step_and_shown_with_since_when() {
    let mut world = mk_world(EVERYWHERE);
    world.release("v2");
    world.say("window", true);
    world.until_asked();
    assert_eq!(world.gate(0).state, GateState::Waiting);
    assert_eq!(world.rollout().reason(), Reason::Step, "a question that is under way is no pause");
    for _ in 0..10 {
        world.say("window", false);
        world.run_seconds(10);
    }
    let gate = world.gate(0);
    assert_eq!((gate.state, gate.point, gate.since), (GateState::Closed, Some(Point::Raise), Millis::new(100_000)));
    assert_eq!(gate.to_string(), "the gate window is closed (100 s): frozen until Monday");
    assert_eq!(world.events(EventKind::Paused), 1);
}

#[test]
fn time_spent_at_a_gate_is_no_time_without_evidence() {
    let mut world = World::with(Rollout::new(gated(LADDER, r#"{"stepDeadline": "20s"}"#, EVERYWHERE), "v1".to_owned()));
    world.release("v2");
    world.say("window", true);
    world.until_asked();
    let elapsed = world.rollout().view(world.now).step_elapsed;
    world.say("window", false);
    world.traffic = 0;
    world.run_seconds(3_600);
    let view = world.rollout().view(world.now);
    assert_eq!((view.reason, view.step_elapsed), (Reason::WaitingForGate, elapsed));
    world.say("window", true);
    assert_eq!(world.rollout().weight().percent(), 50.0);
}

#[test]
fn inconclusive_measurements_during_the_wait_pause_nothing() {
    let analysis = r#"{"successRate": {"interval": "1s", "window": "1s", "failureLimit": 5, "inconclusiveLimit": 5}}"#;
    let mut world = World::with(Rollout::new(gated(LADDER, analysis, EVERYWHERE), "v1".to_owned()));
    world.release("v2");
    world.say("window", true);
    world.until_asked();
    world.say("window", false);
    world.traffic = 0;
    world.run_seconds(60);
    assert_eq!(world.rollout().reason(), Reason::WaitingForGate);
    assert_eq!(world.events(EventKind::Paused), 1, "that of the gate");
}

#[test]
fn an_answer_to_another_question_changes_nothing() {
    let mut world = mk_world(EVERYWHERE);
    world.release("v2");
    let first = world.question().expect("the start is asked");
    world.say("window", true);
    let question = world.until_asked();
    for (generation, number, gate) in [
        (first.generation, first.number, "window"),
        (question.generation + 1, question.number, "window"),
        (question.generation, question.number + 1, "window"),
        (question.generation, question.number, "another"),
    ] {
        assert!(world.say_to(generation, number, gate, true).is_empty());
        assert_eq!(world.rollout().weight().percent(), 10.0);
    }
}

#[test]
fn a_yes_counts_only_until_the_gate_says_no() {
    let mut world = mk_world(
        r#"[{"name": "a", "before": ["raise"], "webhook": 0}, {"name": "b", "before": ["raise"], "webhook": 0}]"#,
    );
    world.release("v2");
    world.until_asked();
    world.say("a", true);
    world.say("a", false);
    world.say("b", true);
    assert_eq!(world.rollout().weight().percent(), 10.0);
    world.say("a", true);
    assert_eq!(world.rollout().weight().percent(), 50.0);
}

#[test]
fn evidence_that_is_lost_during_the_wait_calls_the_raise_off_and_asks_anew_later() {
    let mut world = mk_world(r#"[{"name": "window", "before": ["raise"], "webhook": 0}]"#);
    world.release("v2");
    let first = world.until_asked();
    world.say("window", false);
    (world.canary_fails, world.stable_fails) = (1, 1);
    world.run_until(Reason::HeldShared);
    world.run_seconds(1);
    assert_eq!(world.question(), None, "nobody is asked during an outage");
    assert!(world.say_to(first.generation, first.number, "window", true).is_empty());
    (world.canary_fails, world.stable_fails) = (0, 0);
    let second = world.until_asked();
    assert_ne!(second.number, first.number);
    world.say("window", true);
    assert_eq!(world.rollout().weight().percent(), 50.0);
}

mod people {
    use super::*;

    fn waiting() -> World {
        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.say("window", true);
        world.until_asked();
        world.say("window", false);
        world
    }

    #[test]
    fn abort_works_while_a_gate_is_closed() {
        let mut world = waiting();
        world.command(Command::Abort { reason: None }).unwrap();
        assert_eq!((world.rollout().reason(), world.question()), (Reason::Aborted, None));
        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.command(Command::Abort { reason: None }).unwrap();
        assert_eq!(world.rollout().reason(), Reason::Aborted);
    }

    #[test]
    fn a_plain_promote_ends_every_other_wait_but_passes_no_gate() {
        let mut world = mk_world(r#"[{"name": "window", "before": ["raise"], "webhook": 0}]"#);
        world.release("v2");
        world.traffic = 0;
        world.command(Command::Promote { full: false }).unwrap();
        assert_eq!(world.rollout().weight().percent(), 10.0);
        world.say("window", false);
        world.command(Command::Promote { full: false }).unwrap();
        assert_eq!((world.rollout().reason(), world.rollout().weight().percent()), (Reason::WaitingForGate, 10.0));
        assert_eq!(world.events(EventKind::Resumed), 1);
        world.say("window", true);
        assert_eq!(world.rollout().weight().percent(), 50.0);
        assert!(!world.rollout().view(world.now).missing.is_empty(), "the next step asks for evidence again");
    }

    #[test]
    fn a_promote_that_waits_for_a_gate_survives_a_restart_but_not_an_outage() {
        let mut world = mk_world(r#"[{"name": "window", "before": ["raise"], "webhook": 0}]"#);
        world.release("v2");
        world.traffic = 0;
        world.command(Command::Promote { full: false }).unwrap();
        world.restart();
        world.run_seconds(2);
        world.say("window", false);

        world.traffic = 100;
        (world.canary_fails, world.stable_fails) = (1, 1);
        world.run_until(Reason::HeldShared);
        (world.canary_fails, world.stable_fails) = (0, 0);
        world.run_until(Reason::Step);
        assert_eq!(world.question(), None, "evidence is asked for again");
    }

    #[test]
    fn promote_full_passes_every_gate_and_says_so() {
        let mut world = waiting();
        world.command(Command::Promote { full: true }).unwrap();
        assert_eq!(world.rollout().weight(), Weight::FULL);
        let says =
            |action: &Action| matches!(action, Action::Emit(event) if event.message.ends_with("and no gate was asked"));
        assert!(world.actions.iter().any(says));

        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.command(Command::Promote { full: true }).unwrap();
        assert_eq!(world.rollout().weight(), Weight::FULL);
    }

    #[test]
    fn skip_analysis_asks_nobody() {
        let plan = gated(LADDER, r#"{"skipAnalysis": true}"#, EVERYWHERE);
        let mut world = World::with(Rollout::new(plan, "v1".to_owned()));
        world.release("v2");
        assert_eq!((world.rollout().weight(), world.question()), (Weight::FULL, None));
    }

    #[test]
    fn a_pause_calls_the_question_off_and_resume_asks_it_again() {
        let mut world = waiting();
        world.command(Command::Pause).unwrap();
        assert_eq!((world.rollout().reason(), world.question()), (Reason::ByCommand, None));
        world.command(Command::Resume).unwrap();
        world.until_asked();
        assert!(matches!(world.command(Command::Resume), Err(Refusal::NotNow { .. })), "a question is no pause");
    }
}

mod blue_green {
    use super::*;

    fn mk(strategy: &str) -> World {
        World::with(Rollout::new(gated(strategy, "{}", EVERYWHERE), "v1".to_owned()))
    }

    #[test]
    fn the_start_is_asked_before_the_preview_and_the_promotion_before_the_switch() {
        let mut world = mk(r#"{"blueGreen": {"autoPromotionAfter": "10s", "scaleDownDelay": "5s"}}"#);
        world.release("v2");
        assert_eq!(world.question().expect("the start is asked").gates[0].1, Point::Start);
        world.run_seconds(60);
        assert_eq!(world.rollout().reason(), Reason::Ready);
        world.say("window", true);
        assert_eq!(world.rollout().reason(), Reason::Preview);
        let question = world.until_asked();
        assert_eq!((question.gates[0].1, question.next), (Point::Promotion, Weight::FULL));
        world.say("window", false);
        assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::WaitingForGate, Weight::ZERO));
        world.say("window", true);
        world.run_until(Reason::Completed);
    }

    #[test]
    fn a_promotion_by_hand_waits_for_its_gate() {
        let mut world = mk(BLUE_GREEN);
        world.release("v2");
        world.say("window", true);
        world.run_until(Reason::AwaitingPromotion);
        assert_eq!(world.question(), None, "it waits for a person first");
        world.command(Command::Promote { full: false }).unwrap();
        world.say("window", false);
        assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::WaitingForGate, Weight::ZERO));
        world.say("window", true);
        assert_eq!((world.rollout().reason(), world.rollout().weight()), (Reason::PostPromotion, Weight::FULL));
    }
}

mod restart_and_reload {
    use super::*;

    #[test]
    fn a_restart_keeps_the_weight_gathers_evidence_and_asks_anew() {
        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.say("window", true);
        world.until_asked();
        world.say("window", false);
        world.restart();
        assert_eq!((world.rollout().weight().percent(), world.question()), (10.0, None));
        world.until_asked();
        assert_eq!(world.gate(0).state, GateState::Waiting);
        world.say("window", false);
        assert_eq!(world.events(EventKind::Paused), 1, "it was told before the restart");
        world.say("window", true);
        assert_eq!(world.rollout().weight().percent(), 50.0);
    }

    #[test]
    fn a_restart_before_the_start_asks_anew() {
        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.restart();
        world.run_seconds(2);
        assert_eq!(world.until_asked().gates[0].1, Point::Start);
    }

    #[test]
    fn a_state_without_gates_is_read_as_one_that_waits_for_none() {
        let mut world = World::new(LADDER, "{}");
        world.release("v2");
        let mut json = serde_json::to_value(world.rollout().save(world.now)).unwrap();
        let trial = json["state"]["trial"].as_object_mut().expect("a trial");
        assert!(trial.remove("waived").is_some() && trial.remove("gateTold").is_some());
        let saved: Saved = serde_json::from_value(json).expect("the former version's state");
        assert_eq!(saved, world.rollout().save(world.now));
    }

    #[test]
    fn a_change_of_gates_begins_nothing_anew_and_a_gate_that_is_gone_keeps_nothing() {
        let mut world = mk_world(EVERYWHERE);
        world.release("v2");
        world.say("window", true);
        world.until_asked();
        world.say("window", false);
        let other = gated(LADDER, "{}", r#"[{"name": "other", "webhook": 0}]"#);
        world.send(Input::PlanChanged(Box::new(other)));
        world.run_seconds(1);
        assert_eq!(world.until_asked().gates[0].0, "other");
        assert_eq!((world.rollout().generation(), world.rollout().weight().percent()), (1, 10.0));
        world.send(Input::PlanChanged(Box::new(mk_plan(LADDER, "{}"))));
        world.run_seconds(1);
        assert_eq!((world.rollout().generation(), world.rollout().weight().percent()), (1, 50.0));
    }
}
