//! The codes of errors: one vocabulary for HTTP and for the stream.

use serde::{Serialize, Serializer};
use tapeline::SubscribeError;
use tapeline_core::data::topic::TopicError;

macro_rules! codes {
    ($($name:ident $text:literal $meaning:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// How it is written.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Every code, as it is written, with what it means.
            #[cfg(test)]
            pub(crate) const ALL: &[(&str, &str)] = &[$(($text, $meaning),)*];
        }
    };
}

codes! {
    BadRequest "bad_request" "the request cannot be understood";
    BadTopic "bad_topic" "the text is no topic or pattern";
    UnknownVenue "unknown_venue" "no such venue is known";
    NotOffered "not_offered" "the venue does not offer this topic";
    Rejected "rejected" "the venue has refused this topic";
    NoSnapshot "no_snapshot" "the topic carries events and has no state";
    Limit "limit" "a bound of topics is reached";
    NotSubscribed "not_subscribed" "the topic or pattern is not subscribed here";
    NotConfigured "not_configured" "this gateway was given no token for that";
    Unauthorized "unauthorized" "the token is missing or wrong";
    Version "version" "only HTTP/1.1 is spoken";
    Host "host" "the gateway is not known by that `Host`";
    Origin "origin" "pages of that `Origin` may not use it";
    Subprotocol "subprotocol" "none of the offered subprotocols is spoken";
    Upgrade "upgrade" "this is no upgrade to a WebSocket";
    NotFound "not_found" "there is no such thing";
    Method "method" "the path is not for that method";
    TooLarge "too_large" "the body is broken or too large";
    Timeout "timeout" "nothing came in time";
    Unavailable "unavailable" "it cannot be served now; try again";
    Connections "connections" "too many connections are open";
    ConnectionsPerIp "connections_per_ip" "your address has too many connections";
    Descriptors "descriptors" "the file descriptors that are left are kept for lines and files";
    Configuration "configuration" "the configuration is wrong, and the one before stays in use";
    Failed "failed" "it was tried and failed";
    NotImplemented "not_implemented" "this gateway cannot do that yet";
}

impl From<&TopicError> for Code {
    fn from(error: &TopicError) -> Self {
        match error {
            TopicError::NotOffered { .. } => Self::NotOffered,
            TopicError::Venue { .. } => Self::UnknownVenue,
            TopicError::Limit { .. } => Self::Limit,
            _ => Self::BadTopic,
        }
    }
}

impl From<&SubscribeError> for Code {
    fn from(error: &SubscribeError) -> Self {
        match error {
            SubscribeError::Topic(error) => error.into(),
            SubscribeError::Timeout(_) => Self::Timeout,
            SubscribeError::NotRunning { .. } => Self::NotFound,
            _ => Self::Unavailable,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stream::code;

    /// The rows of the table below a heading of the page: the word in the first column, and the second one.
    fn table(heading: &str) -> BTreeMap<String, String> {
        let page = include_str!("../../../docs/protocol.md");
        let (_, section) = page.split_once(heading).unwrap_or_else(|| panic!("there is no {heading}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(2);
        let mut found = BTreeMap::new();
        for row in rows {
            let mut cells = row.split(" | ");
            let (words, meaning) = (cells.next().unwrap(), cells.next().unwrap());
            for word in words.split(", ") {
                let before = found.insert(word.trim_matches('`').to_owned(), meaning.to_owned());
                assert!(before.is_none(), "{word} stands there twice");
            }
        }
        found
    }

    #[test]
    fn the_page_tells_every_error_code_and_no_other() {
        let told = table("## Error codes");
        let there: BTreeMap<String, String> =
            Code::ALL.iter().map(|(code, meaning)| ((*code).to_owned(), (*meaning).to_owned())).collect();
        assert_eq!(told, there);
    }

    #[test]
    fn the_page_tells_every_close_code_and_no_other() {
        let told: Vec<String> = table("## Close codes").into_keys().collect();
        let mut there: Vec<String> = code::ALL.iter().map(u16::to_string).collect();
        there.sort_unstable();
        assert_eq!(told, there);
    }
}
