//! A chain as its nodes tell it: transactions, transfers, accounts, logs, slots.
//!
//! Slots are numbers (one every 400 ms: they stay far below 2^53), amounts in the smallest unit are
//! strings (they do not).

use serde::Serialize;

use super::token::Swap;
use super::{text, text_opt};
use crate::data::decimal::Decimal;

/// One transaction that touches what the topic names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Transaction {
    /// Its first signature, which identifies it.
    pub signature: Box<str>,
    /// The slot it landed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// Its place within the slot; with the slot it orders transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The venue's word for what it does: `swap`, `add_liquidity`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Box<str>>,
    /// Why it failed, as the chain says it; absent if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<str>>,
    /// What it cost, in the chain's smallest unit (lamports).
    #[serde(serialize_with = "text_opt", skip_serializing_if = "Option::is_none")]
    pub fee: Option<u64>,
    /// Balances that it changed.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub changes: Box<[Change]>,
    /// What was swapped, where the venue interprets it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Swap>,
}

/// A balance before and after a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Change {
    /// The account whose balance it is.
    pub account: Box<str>,
    /// The wallet that owns a token account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Box<str>>,
    /// The token; absent for the chain's own coin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mint: Option<Box<str>>,
    /// Units before.
    pub before: Decimal,
    /// Units after.
    pub after: Decimal,
}

/// Value that moved from one address to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Transfer {
    /// The transaction it is part of.
    pub signature: Box<str>,
    /// The slot it landed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// Who gave.
    pub from: Box<str>,
    /// Who got.
    pub to: Box<str>,
    /// The token; absent for the chain's own coin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mint: Option<Box<str>>,
    /// How much, in units of the token.
    pub amount: Decimal,
}

/// The state of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Account {
    /// The slot of this state. Below final commitment it can go back: a fork was abandoned.
    pub slot: u64,
    /// Balance in lamports; zero with no data means that the account was deleted.
    #[serde(serialize_with = "text")]
    pub lamports: u64,
    /// The program that owns it.
    pub owner: Box<str>,
    /// Whether it holds a program.
    pub executable: bool,
    /// Size of its data in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<u64>,
    /// Its data in base64.
    pub data: Box<str>,
}

/// A changed account of a watched program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Program {
    /// The account's address.
    pub address: Box<str>,
    /// Its state.
    #[serde(flatten)]
    pub account: Account,
}

/// What a transaction wrote to its log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Logs {
    /// The transaction.
    pub signature: Box<str>,
    /// The slot it landed in.
    pub slot: u64,
    /// Why it failed, as the chain says it; absent if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<str>>,
    /// The lines, in order. The chain truncates long logs and says so in the last line.
    pub logs: Box<[Box<str>]>,
}

/// A slot that was begun. Skipped slots are normal, a lower one than before is a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Slot {
    /// Its number.
    pub slot: u64,
    /// The slot it builds on.
    pub parent: u64,
    /// The newest slot that is final.
    pub root: u64,
}

/// The newest slot that is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Root {
    /// Its number.
    pub slot: u64,
}

/// How far a watched transaction has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Signature {
    /// How far.
    pub stage: SignatureStage,
    /// The slot in which that happened.
    pub slot: u64,
    /// Why it failed, as the chain says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<str>>,
}

/// The stages of a watched transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureStage {
    /// A node has it; nothing is decided.
    Received,
    /// It was executed and has reached the commitment that the topic asks for.
    Landed,
    /// It was executed and failed.
    Failed,
}
