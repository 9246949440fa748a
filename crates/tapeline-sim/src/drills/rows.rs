//! Every fault that is to be survived, and the tests that show it beside the drills: models, static properties, and
//! what only real sockets, threads and processes have.

use std::fmt::Write as _;

use serde::Serialize;

use super::table::DRILLS;

/// A fault. FU are the venue's and those of the way to it, FP those within the process, FO those of operators and the
/// machine, without what needs a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its number.
    pub id: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Tests, each as `file::function`.
    pub tests: &'static [&'static str],
}

impl Fault {
    /// The drills that stand for it.
    pub fn drills(&self) -> impl Iterator<Item = &'static str> {
        DRILLS.iter().filter(|entry| entry.faults.contains(&self.id)).map(|entry| entry.name)
    }
}

/// All of them.
pub const fn faults() -> &'static [Fault] {
    FAULTS
}

/// Both tables of the page about drills.
pub fn markdown() -> String {
    let mut page =
        String::from("| drill | faults | what happens | over real sockets |\n| --- | --- | --- | --- |\n");
    for entry in DRILLS {
        let real = entry.virtual_only().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
        let (name, faults, about) = (entry.name, entry.faults.join(", "), entry.about);
        let _ = writeln!(page, "| `{name}` | {faults} | {about} | {real} |");
    }
    page.push_str("\n| fault | what it is | drills | tests |\n| --- | --- | --- | --- |\n");
    for fault in FAULTS {
        let named = |names: Vec<&str>| match names.len() {
            0 => "–".to_owned(),
            _ => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let drills = named(fault.drills().collect());
        let tests = named(fault.tests.iter().filter_map(|test| test.rsplit("::").next()).collect());
        let _ = writeln!(page, "| {} | {} | {drills} | {tests} |", fault.id, fault.about);
    }
    page
}

macro_rules! faults {
    ($($id:literal $about:literal $tests:tt;)*) => {
        const FAULTS: &[Fault] = &[$(Fault { id: $id, about: $about, tests: &$tests },)*];
    };
}

faults! {
    "FU1" "A connection is reset." [
        "crates/tapeline-core/src/feed/tests/pair.rs::a_cut_line_loses_nothing_while_the_other_stands",
    ];
    "FU2" "A connection ends without a close frame." [];
    "FU3" "The venue falls silent on an open connection." [
        "crates/tapeline-core/src/feed/tests/doubt.rs::a_busy_line_that_stalls_is_flagged_at_once_and_replaced_by_the_dial_beside_it",
    ];
    "FU4" "The peer vanishes, and nobody says so." [
        "crates/tapeline-ws/tests/connection.rs::the_last_words_are_read_even_if_writing_fails",
        "crates/tapeline/src/net/tcp.rs::the_system_ends_a_connection_whose_other_side_has_vanished",
    ];
    "FU5" "Pings are answered and no data comes." [
        "crates/tapeline-core/src/feed/tests/lines.rs::a_line_with_pongs_but_no_data_subscribes_again_before_it_reconnects",
        "crates/tapeline-core/src/feed/tests/unproven.rs::a_line_that_brings_nothing_covers_nothing_and_does_not_keep_rest_from_being_asked",
        "crates/tapeline-core/src/feed/tests/stragglers.rs::a_stream_that_one_of_two_lines_brings_no_more_is_asked_for_anew_on_that_line_alone",
        "crates/tapeline-core/src/feed/tests/stragglers.rs::a_line_that_has_let_a_topic_pass_is_no_cover_for_it_when_the_other_is_cut",
        "crates/tapeline-core/src/feed/tests/unproven.rs::rest_is_asked_as_well_where_nothing_has_come_for_minutes_and_its_news_show_that_it_is_the_line",
    ];
    "FU6" "Data comes and pings are not answered." [
        "crates/tapeline-core/src/feed/tests/lines.rs::data_is_as_good_as_a_pong",
    ];
    "FU7" "A message drips in." [
        "crates/tapeline/tests/library/network.rs::a_message_that_drips_ends_its_line",
    ];
    "FU8" "Latency rises and jumps." [
        "crates/tapeline-core/src/policy/silence/tests.rs::a_steady_line_is_never_suspected",
    ];
    "FU9" "A name is not found, or the resolver is silent." [
        "crates/tapeline/src/net/failure.rs::a_silent_resolver_is_local_and_an_unknown_name_is_not",
        "crates/tapeline/tests/library/network.rs::a_name_that_does_not_exist_is_tried_again",
    ];
    "FU10" "A name leads elsewhere, or to a stale address." [
        "crates/tapeline/src/net/tcp.rs::each_dial_asks_where_a_name_leads_and_a_stale_address_costs_nothing",
        "crates/tapeline/src/net/tcp.rs::families_alternate",
        "crates/tapeline/src/net/tcp.rs::a_refusing_address_costs_no_head_start",
    ];
    "FU11" "Connections are refused." [
        "crates/tapeline-core/src/policy/breaker/tests.rs::five_failures_in_a_row_open_it",
    ];
    "FU12" "Connections are never answered." [
        "crates/tapeline/tests/library/network.rs::each_stage_of_a_dial_has_its_own_deadline",
    ];
    "FU13" "A certificate is wrong." [
        "crates/tapeline/tests/library/tls.rs::bad_certificates_halt_a_line_until_an_operator_speaks",
        "crates/tapeline/src/net/http/tests.rs::plain_text_leaves_this_machine_only_if_that_is_wanted",
    ];
    "FU14" "A TLS handshake stalls or breaks." [
        "crates/tapeline/tests/library/tls.rs::handshakes_that_break_are_tried_again",
    ];
    "FU15" "The upgrade is refused." [
        "crates/tapeline/tests/library/network.rs::each_refusal_of_the_upgrade_has_its_class",
        "crates/tapeline-core/src/policy/fault.rs::statuses_have_their_class",
        "crates/tapeline/src/net/http/tests.rs::redirects_stay_on_the_host_and_end",
    ];
    "FU16" "The answer to the upgrade makes no sense." [
        "crates/tapeline-ws/tests/handshake.rs::answers_are_judged",
        "crates/tapeline-ws/tests/handshake.rs::an_answer_that_is_no_http_or_ends_early_is_an_error",
    ];
    "FU17" "A connection is closed with any code." [
        "crates/tapeline-ws/tests/protocol.rs::closes_are_judged",
        "crates/tapeline-core/src/policy/fault.rs::close_codes_of_the_standard_have_their_class",
        "crates/tapeline-core/src/policy/fault.rs::registered_and_private_codes_have_their_class",
    ];
    "FU18" "The venue cuts connections of a certain age." [
        "crates/tapeline-core/src/feed/tests/rotate.rs::a_line_is_replaced_before_the_venue_cuts_it",
        "crates/tapeline-core/src/feed/tests/rotate.rs::two_lines_are_never_replaced_together",
    ];
    "FU19" "The venue announces that it will close." [
        "crates/tapeline-core/src/feed/tests/rotate.rs::the_venues_notice_is_reason_enough_and_the_old_line_serves_until_it_closes",
    ];
    "FU20" "The venue asks for a pause." [
        "crates/tapeline-core/src/policy/retry_after.rs::seconds_are_read",
        "crates/tapeline-core/src/policy/retry_after.rs::huge_waits_are_capped_at_a_day",
        "crates/tapeline-core/src/policy/retry_after.rs::dates_are_read",
        "crates/tapeline-core/src/policy/retry_after.rs::dates_in_the_two_old_forms_are_read",
        "crates/tapeline-core/src/feed/tests/away.rs::an_endpoint_that_says_when_it_is_back_is_not_asked_before",
        "crates/tapeline-core/src/feed/tests/mod.rs::a_limited_venue_is_not_asked_before_its_time",
    ];
    "FU21" "The venue bans our address." [
        "crates/tapeline-core/src/feed/tests/kept.rs::a_ban_lasts_over_a_restart_and_a_clock_that_went_backwards_shortens_nothing",
    ];
    "FU22" "The venue's limits are near." [
        "crates/tapeline-core/src/feed/tests/lines.rs::requests_stay_in_the_budget_and_leave_room_for_pongs",
        "crates/tapeline-core/src/policy/budget/tests.rs::no_stretch_of_time_holds_more_than_the_count",
        "crates/tapeline-core/src/policy/budget/tests.rs::no_minute_of_the_venue_holds_more_than_the_share",
    ];
    "FU23" "Keys are refused at the connect." [
        "crates/tapeline-core/src/policy/recovery/tests.rs::refused_keys_are_refreshed_once_then_tried_three_times_then_left",
        "crates/tapeline-core/src/feed/tests/keys.rs::refused_keys_are_read_anew_before_each_of_four_tries_and_then_an_operator_is_waited_for",
        "crates/tapeline/tests/library/keys.rs::a_key_that_is_refused_at_the_door_is_read_once_more_before_the_next_try",
        "crates/tapeline-core/src/feed/tests/login.rs::a_refused_login_is_tried_five_times_with_keys_read_anew_and_then_nobody_is_asked",
        "crates/tapeline-core/src/feed/tests/login.rs::a_login_that_is_refused_for_now_is_repeated_on_the_same_line_and_pings_are_answered",
    ];
    "FU24" "Keys expire in mid-session." [
        "crates/tapeline-core/src/policy/recovery/tests.rs::accepted_keys_start_the_tries_anew",
        "crates/tapeline/tests/library/keys.rs::a_key_that_expires_in_mid_session_is_replaced_by_what_stands_in_its_file",
        "crates/tapeline-core/src/feed/tests/login.rs::keys_are_renewed_after_80_percent_of_their_life_on_the_open_line",
    ];
    "FU25" "Messages are no JSON." [
        "crates/tapeline-venues/src/binance/differential.rs::broken_bytes_are_read_alike",
        "crates/tapeline-core/src/feed/tests/mod.rs::foreign_words_are_counted_and_survived",
    ];
    "FU26" "Messages are cut short." [
        "crates/tapeline-venues/src/binance/differential.rs::every_cut_of_every_frame_is_read_alike",
    ];
    "FU27" "A message is too large." [
        "crates/tapeline-ws/tests/connection.rs::a_message_over_the_limit_ends_the_connection",
        "crates/tapeline-ws/tests/protocol.rs::a_promise_of_many_bytes_costs_nothing_until_they_come",
    ];
    "FU28" "The WebSocket protocol is broken." [
        "crates/tapeline-ws/tests/conformance.rs::reserved_bits_and_opcodes_end_it_behind_what_was_right",
        "crates/tapeline-ws/tests/conformance.rs::wrong_text_is_refused_before_its_frame_is_complete",
        "crates/tapeline-ws/tests/protocol.rs::only_clients_mask",
    ];
    "FU29" "Fields have wrong types or impossible values." [
        "crates/tapeline-venues/src/binance/differential.rs::every_value_in_every_place_is_read_alike",
        "crates/tapeline-venues/src/binance/differential.rs::nesting_is_capped_alike",
    ];
    "FU30" "Events come that nobody asked for or knows." [
        "crates/tapeline-core/src/feed/tests/mod.rs::foreign_words_are_counted_and_survived",
    ];
    "FU31" "Events come twice." ["crates/tapeline-core/src/data/sequence.rs::a_copy_is_dropped"];
    "FU32" "Events come in the wrong order." [
        "crates/tapeline-core/src/data/sequence.rs::a_swapped_pair_is_put_right",
    ];
    "FU33" "Events are missing." [
        "crates/tapeline-core/src/feed/tests/repair.rs::a_hole_is_filled_from_what_the_venue_keeps",
    ];
    "FU34" "Depth updates are missing, swapped or doubled." [
        "crates/tapeline-core/tests/books/edges.rs::a_gap_breaks_the_book_at_once_and_the_new_deltas_are_kept",
        "crates/tapeline-core/tests/books/edges.rs::two_swapped_deltas_break_the_book_once",
    ];
    "FU35" "Snapshots are old, slow, empty or of another symbol." [
        "crates/tapeline-core/src/feed/tests/mod.rs::an_old_snapshot_is_asked_for_again_later_and_not_in_a_loop",
    ];
    "FU36" "The venue's book is crossed or negative." [
        "crates/tapeline-core/tests/books/damage.rs::a_crossed_book_is_corrupt_and_resynced_twice_a_minute_at_most",
        "crates/tapeline-core/tests/books/damage.rs::a_side_beyond_its_bound_or_a_negative_size_is_corrupt",
    ];
    "FU37" "The venue's ids start over." [
        "crates/tapeline-core/src/data/sequence.rs::a_far_regression_is_a_reset_only_with_newer_time",
        "crates/tapeline-core/tests/books/edges.rs::a_restart_of_the_ids_is_no_repeat",
        "crates/tapeline-core/src/feed/tests/restarts.rs::old_ids_of_a_line_that_is_behind_are_copies_once_the_ids_have_started_over",
    ];
    "FU38" "Two lines disagree on one id." [
        "crates/tapeline-core/src/feed/tests/pair.rs::two_lines_that_disagree_are_found_out_and_the_first_is_kept",
    ];
    "FU39" "One of two lines is late for good." [
        "crates/tapeline-core/src/feed/tests/pair.rs::the_first_copy_of_each_event_is_taken_whichever_line_brings_it",
    ];
    "FU40" "One endpoint of several is down." [
        "crates/tapeline-core/src/feed/tests/lines.rs::a_broken_endpoint_makes_way_for_the_next_one",
    ];
    "FU41" "All WebSocket endpoints are down." [
        "crates/tapeline-core/src/policy/ladder/tests.rs::rest_takes_over_after_five_seconds_and_gives_back_after_ten",
        "crates/tapeline-core/src/policy/alert/tests.rs::one_cause_over_a_thousand_topics_is_told_at_most_three_times",
    ];
    "FU42" "Everything is down." [
        "crates/tapeline-core/src/feed/tests/poll.rs::without_rest_either_what_is_held_is_shown_as_such",
    ];
    "FU43" "Connections are accepted and soon cut." [
        "crates/tapeline-core/src/policy/backoff/tests.rs::a_venue_that_cuts_regularly_is_dialled_at_most_25_times_in_5_minutes",
    ];
    "FU44" "A subscription is refused." [
        "crates/tapeline-core/src/feed/tests/mod.rs::a_refused_batch_is_split_until_the_one_at_fault_is_found",
        "crates/tapeline-cli/tests/cli/watch.rs::a_symbol_that_the_venue_refuses_is_told_and_disturbs_nobody",
        "crates/tapeline/tests/library/unknown.rs::an_unknown_symbols_book_is_told_as_refused_its_trades_as_never_come_and_others_go_on",
    ];
    "FU45" "The answer to a subscription is missing, late or another's." [
        "crates/tapeline-core/src/feed/tests/lines.rs::unconfirmed_requests_are_repeated_twice_and_then_the_line_is_replaced",
    ];
    "FU46" "A part of a subscription is confirmed." [
        "crates/tapeline-core/src/feed/tests/lines.rs::of_a_subscription_that_is_confirmed_in_part_only_the_rest_is_asked_for_again",
        "crates/tapeline-core/src/feed/tests/lines.rs::unconfirmed_requests_are_repeated_twice_and_then_the_line_is_replaced",
    ];
    "FU47" "REST is slow, broken or wrong." [
        "crates/tapeline/src/net/http/tests.rs::broken_replies_are_classified_and_show_no_key",
        "crates/tapeline/src/net/http/tests.rs::a_body_is_bounded_behind_its_decompression",
        "crates/tapeline-core/src/policy/breaker/tests.rs::half_of_the_latest_twenty_calls_open_a_rest_breaker",
    ];
    "FU48" "REST works and WebSockets do not." [
        "crates/tapeline-core/src/feed/tests/poll.rs::without_a_line_the_venue_is_polled_and_nothing_is_lost_at_either_seam",
    ];
    "FU49" "A wall clock jumps, here or at the venue." [
        "crates/tapeline-core/src/policy/budget/tests.rs::no_minute_of_the_venue_holds_more_than_the_share",
    ];
    "FU50" "The process does not run for a while." [
        "crates/tapeline-core/src/feed/tests/lateness.rs::what_waits_in_the_socket_is_not_declared_missing",
        "crates/tapeline-core/src/feed/tests/lines.rs::a_starved_process_does_not_blame_the_venue",
    ];
    "FU51" "Data comes faster than it can be taken." [
        "crates/tapeline-core/src/outbox/tests/laws.rs::an_overrun_outbox_accounts_for_every_offset",
        "crates/tapeline/tests/library/subscriptions.rs::state_is_conflated_to_the_newest_unless_all_is_wanted",
    ];
    "FU52" "Lines stop one by one and are released in another order." [];
    "FU53" "Heartbeats come as data, or messages are empty." [
        "crates/tapeline-core/src/feed/tests/mod.rs::foreign_words_are_counted_and_survived",
    ];
    "FP1" "A subscriber is slow." [
        "crates/tapeline/tests/library/handlers.rs::a_slow_call_is_counted",
        "crates/tapeline/tests/library/subscriptions.rs::a_slow_reader_with_the_gap_rule_can_account_for_everything",
    ];
    "FP2" "A handler panics." [
        "crates/tapeline/tests/library/handlers.rs::a_handler_that_panics_is_removed_after_five_times_and_harms_nobody",
    ];
    "FP3" "A handler blocks." [
        "crates/tapeline/tests/library/handlers.rs::a_call_that_never_returns_is_named_while_others_run_on",
    ];
    "FP4" "A subscriber is gone without a word." [
        "crates/tapeline/tests/library/subscriptions.rs::a_subscriber_that_is_gone_without_a_word_has_left_at_once",
    ];
    "FP5" "Subscriptions come and go by the thousand." [
        "crates/tapeline/tests/churn/main.rs::a_hundred_thousand_subscriptions_leave_nothing_behind",
    ];
    "FP6" "Something is subscribed during a reconnect, or twice." [
        "crates/tapeline-core/src/feed/tests/rotate.rs::what_is_wanted_meanwhile_goes_to_both_and_stays_with_the_follower",
    ];
    "FP7" "A task panics." [
        "crates/tapeline/tests/library/crashes.rs::a_frame_that_panics_costs_that_frame",
        "crates/tapeline-core/src/feed/tests/quarantine.rs::a_poisoned_topic_is_set_aside_and_comes_back_with_what_it_missed",
        "crates/tapeline-core/src/feed/tests/quarantine.rs::a_topic_that_crashes_the_feed_is_set_aside_by_its_successor",
        "crates/tapeline-core/src/policy/restart.rs::the_fourth_crash_of_a_feed_in_a_minute_halts_it",
        "crates/tapeline/src/parts.rs::a_part_that_crashes_on_and_on_fails_the_hub_three_times_and_then_the_program",
        "crates/tapeline-gateway/src/server/accept.rs::a_listener_that_crashes_is_started_again_and_after_the_third_time_the_program_is_told",
        "crates/tapeline-gateway/src/stream/vital.rs::a_vital_task_that_panics_breaks_its_shard_and_the_next_one_obeys",
    ];
    "FP8" "A wake-up is lost, or two wait for each other." [
        "crates/tapeline-core/src/outbox/tests/mod.rs::a_waiting_consumer_learns_that_it_was_cut_off",
        "crates/tapeline-core/src/outbox/tests/mod.rs::consumer_is_woken_once_after_it_found_nothing",
        "crates/tapeline-models/tests/models.rs::every_model_holds_in_every_order_that_is_tried",
        "crates/tapeline-models/tests/models.rs::a_lost_wake_up_and_a_lock_over_a_wake_up_are_found_for_what_they_are",
        "crates/tapeline/src/watch/tests.rs::of_a_feed_that_does_not_answer_nothing_is_over_and_that_itself_is_told",
        "crates/tapeline/src/memory/tests.rs::a_part_that_is_silent_for_five_seconds_hangs_until_it_tells_again",
    ];
    "FP9" "Two threads race." [
        "crates/tapeline-core/tests/tidy/main.rs::unfinished_and_silenced_code_is_absent",
        "crates/tapeline-core/tests/tidy/purity.rs::every_pure_crate_carries_its_bans",
        "crates/tapeline-core/tests/tidy/main.rs::every_crate_forbids_what_the_compiler_cannot_vouch_for",
        "crates/tapeline-core/tests/tidy/purity.rs::a_crate_with_the_lints_of_the_workspace_cannot_allow_what_they_forbid",
        "crates/tapeline-models/tests/models.rs::every_mistake_is_found",
    ];
    "FP10" "A handler subscribes or leaves from within." [
        "crates/tapeline/tests/library/handlers.rs::a_handler_may_subscribe_and_remove_from_within",
    ];
    "FP11" "Ids reach the end of their range." [
        "crates/tapeline-core/src/data/sequence.rs::ids_at_the_end_of_the_range_do_not_overflow",
        "crates/tapeline-core/src/data/ledger/tests.rs::absurd_ranges_saturate",
    ];
    "FP12" "Memory runs short." [
        "crates/tapeline-core/src/feed/history/tests.rs::a_log_that_is_shortened_gives_memory_back_and_does_not_grow_into_it_again",
        "crates/tapeline-core/src/outbox/tests/mod.rs::a_reader_of_books_that_never_reads_is_cut_off_in_the_end",
        "crates/tapeline-core/src/policy/pressure.rs::each_step_has_its_share_and_is_taken_at_once",
        "crates/tapeline/src/memory/tests.rs::those_for_whom_most_waits_are_cut_and_no_more_of_them_than_needed",
        "crates/tapeline-gateway/tests/stream/memory.rs::under_a_flood_nobody_new_is_taken_on_the_biggest_go_and_the_rest_lives",
    ];
    "FP13" "A topic is read by nobody." [
        "crates/tapeline-core/src/feed/tests/readers.rs::two_subscribers_share_one_upstream_subscription_and_the_last_one_ends_it_after_the_linger",
    ];
    "FO1" "The configuration is wrong." [
        "crates/tapeline-cli/tests/cli/refused.rs::every_wrong_configuration_is_refused_with_its_place_before_any_socket_opens",
    ];
    "FO2" "The configuration is insecure." [
        "crates/tapeline-cli/tests/cli/refused.rs::every_insecure_configuration_is_refused",
    ];
    "FO3" "A reload finds a wrong configuration." [
        "crates/tapeline-cli/tests/cli/serve.rs::a_reload_applies_what_it_can_and_names_the_rest",
        "crates/tapeline-gateway/tests/face/reload.rs::what_became_of_a_reload_stands_in_the_events_and_in_the_settings_shown",
    ];
    "FO4" "The process is killed." [
        "crates/tapeline-core/src/feed/tests/kept.rs::a_hundred_processes_dial_no_more_often_than_one",
        "crates/tapeline/src/state/tests.rs::the_newest_is_kept_also_at_the_end",
    ];
    "FO5" "The process is told to end, perhaps twice." [
        "crates/tapeline-cli/tests/cli/drain.rs::sigterm_under_a_hundred_clients_tells_all_who_read_and_waits_for_nobody_else",
        "crates/tapeline-cli/tests/cli/drain.rs::a_second_signal_does_not_wait_for_those_who_do_not_read",
    ];
    "FO6" "A disk is full or slow." [
        "crates/tapeline/src/journal/tests.rs::what_a_full_disk_did_not_take_is_written_later_whole_or_told_as_lost",
        "crates/tapeline/src/state/tests.rs::what_could_not_be_written_is_written_once_the_disk_is_well",
        "crates/tapeline-cli/tests/cli/files.rs::a_file_that_may_not_grow_is_told_as_the_disks_fault_and_ends_nothing",
    ];
    "FO7" "A recording is damaged." [
        "crates/tapeline-sim/tests/venue/playback.rs::a_folder_that_is_no_recording_is_named_in_the_error",
    ];
    "FO8" "Descriptors run out." [
        "crates/tapeline-gateway/src/server/accept.rs::whoever_waits_while_descriptors_are_short_is_served_after_that",
        "crates/tapeline-gateway/src/server/accept.rs::the_last_descriptors_are_not_for_clients",
        "crates/tapeline/src/watch/tests.rs::a_want_of_descriptors_says_nothing_of_the_network",
    ];
    "FO9" "A port or a folder is taken." [
        "crates/tapeline-cli/tests/cli/serve.rs::a_port_that_is_taken_is_told",
        "crates/tapeline/src/state/tests.rs::one_process_at_a_time",
    ];
    "FO10" "There is too little processor time." [
        "crates/tapeline-core/src/feed/tests/lines.rs::a_starved_process_does_not_blame_the_venue",
        "crates/tapeline-core/src/feed/tests/lateness.rs::a_process_that_is_always_late_still_declares_and_cuts",
    ];
    "FO11" "The memory of the process is limited." [
        "crates/tapeline-core/src/policy/alert/tests.rs::the_table_of_alerts_stays_bounded_and_venues_keep_their_place",
        "crates/tapeline-core/src/feed/history/tests.rs::what_is_too_much_goes",
        "crates/tapeline/src/memory/tests.rs::resident_memory_counts_and_cuts_at_most_once_a_second",
    ];
    "FO13" "Nobody takes the logs." [
        "crates/tapeline-cli/tests/cli/stuck.rs::a_stderr_that_nobody_reads_stops_neither_the_service_nor_its_end",
        "crates/tapeline-cli/tests/cli/stuck.rs::whoever_reads_stderr_again_is_told_how_much_is_missing",
        "crates/tapeline-cli/src/log/limit.rs::a_flood_of_different_things_shares_one_count",
    ];
    "FO14" "Clocks and surroundings are odd." [
        "crates/tapeline-core/src/feed/history/tests.rs::a_wall_clock_that_is_set_ages_nothing",
        "crates/tapeline-cli/tests/cli/odd.rs::without_an_environment_or_with_a_wrong_one_the_program_serves_and_leaves_in_good_order",
    ];
    "FO15" "Versions differ." [
        "crates/tapeline-gateway/src/stream/request.rs::a_request_is_read_whole_and_unknown_fields_are_borne",
    ];
}
