//! The integration tests as one binary. Each module tests one capability through the public
//! interfaces, and over HTTP to the sandbox. `support` is their harness.

// A test reports its failure by a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod adopt;
mod adopt_at_work;
mod approvals;
mod aws_secrets;
mod bad_input;
mod broken_accounts;
mod captures;
mod chain_order;
mod chinese_pages;
mod clocks;
mod cloud_chain;
mod cloud_codes;
mod cloud_common_codes;
mod cloud_deadlines;
mod cloud_faults;
mod cloud_merge;
mod cloud_prechecks;
mod cloud_reading;
mod cloudevents;
mod cloudwatch;
mod cookbook;
mod crash;
mod credentials;
mod decisions;
mod demo;
mod doc_commands;
mod doctor;
mod door;
mod drift;
mod drift_at_work;
mod dry_runs;
mod due;
mod evidence;
mod feishu;
mod full_output;
mod fuzz;
mod grants;
mod hidden_shares;
mod hosts;
mod hosts_freezing;
mod hosts_http;
mod hosts_scf;
mod incidents;
mod init;
mod killed;
mod late_calls;
mod late_reads;
mod laws;
mod lists;
mod lost_files;
mod mistakes;
mod notify;
mod notify_order;
mod notify_presets;
mod notify_processes;
mod notify_targets;
mod observe;
mod odd_files;
mod operators_fault;
mod overdue;
mod own_comments;
mod owners;
mod partly_done;
mod read_operations;
mod reconciliation;
mod reference;
mod reload;
mod replies;
mod report;
mod retry;
mod revoke_unfinished;
mod rotation;
mod scf_credentials;
mod schedules;
mod schema;
mod senders;
mod stand_in_journal;
mod store_operations;
mod straight_line;
mod support;
mod ticket_fetch;
mod tidy;
mod trying;
mod tutorial;
mod unclear_ends;
mod withdrawals;
