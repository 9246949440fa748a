//! The two text formats: OpenMetrics, and the older one that every scraper reads.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tapeline::SpreadReading;

use super::family::{Figure, Filled, Kind};

/// The content type of OpenMetrics.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of the older format.
pub(crate) const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug)]
struct Figures(Vec<Filled>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Filled { family, samples } in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            // The encoder ends the sentence.
            let mut metric =
                encoder.encode_descriptor(family.name, &format!("{}.", family.help), None, kind)?;
            for (labels, value) in samples {
                match family.kind {
                    Kind::Info => metric.encode_info(labels)?,
                    _ if labels.is_empty() => write(&mut metric, family.kind, value)?,
                    _ => write(&mut metric.encode_family(labels)?, family.kind, value)?,
                }
            }
        }
        Ok(())
    }
}

fn write(metric: &mut MetricEncoder<'_>, kind: Kind, figure: &Figure) -> fmt::Result {
    match figure {
        Figure::Plain(value) if kind == Kind::Counter => {
            metric.encode_counter::<NoLabelSet, _, f64>(value, None)
        }
        Figure::Plain(value) => metric.encode_gauge(value),
        Figure::Spread(SpreadReading { buckets, seconds, count }) => {
            metric.encode_histogram::<NoLabelSet>(*seconds, *count, buckets, None)
        }
    }
}

/// The families as OpenMetrics.
pub(crate) fn openmetrics(families: Vec<Filled>) -> String {
    let mut registry = Registry::with_prefix("tapeline");
    registry.register_collector(Box::new(Figures(families)));
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

/// The same in the older format, where a family carries the whole name of its series and nothing marks the end.
pub(crate) fn classic(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len() + openmetrics.len() / 8);
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::family;
    use super::*;

    fn filled(value: &str) -> Vec<Filled> {
        let labels = || vec![("venue", value.to_owned()), ("kind", "odd".to_owned())];
        vec![
            Filled { family: family::BUILD, samples: vec![(vec![("version", "1".to_owned())], 1.0.into())] },
            Filled { family: family::GAPS, samples: vec![(labels(), 3.0.into())] },
            Filled { family: family::TOPICS, samples: vec![(Vec::new(), 2.0.into())] },
        ]
    }

    #[test]
    fn both_formats_say_the_same() {
        let text = openmetrics(filled("plain"));
        assert_eq!(
            text,
            "# HELP tapeline_build What runs here.\n# TYPE tapeline_build info\n\
             tapeline_build_info{version=\"1\"} 1\n\
             # HELP tapeline_gaps Gaps that were declared or noticed.\n# TYPE tapeline_gaps counter\n\
             tapeline_gaps_total{venue=\"plain\",kind=\"odd\"} 3.0\n\
             # HELP tapeline_topics Topics that run.\n# TYPE tapeline_topics gauge\ntapeline_topics 2.0\n# EOF\n"
        );
        assert_eq!(
            classic(&text),
            "# HELP tapeline_build_info What runs here.\n# TYPE tapeline_build_info gauge\n\
             tapeline_build_info{version=\"1\"} 1\n\
             # HELP tapeline_gaps_total Gaps that were declared or noticed.\n# TYPE tapeline_gaps_total counter\n\
             tapeline_gaps_total{venue=\"plain\",kind=\"odd\"} 3.0\n\
             # HELP tapeline_topics Topics that run.\n# TYPE tapeline_topics gauge\ntapeline_topics 2.0\n"
        );
    }

    #[test]
    fn durations_stand_in_buckets_that_include_those_below() {
        let spread = tapeline::Spread::default();
        for micros in [1, 3, 40_000_000] {
            spread.add(std::time::Duration::from_micros(micros));
        }
        let labels = vec![("stage", "feed".to_owned())];
        let samples = vec![(labels, Figure::Spread(spread.read()))];
        let text = openmetrics(vec![Filled { family: family::STAGE_SECONDS, samples }]);
        for line in [
            "# TYPE tapeline_stage_seconds histogram",
            "tapeline_stage_seconds_sum{stage=\"feed\"} 40.000004",
            "tapeline_stage_seconds_count{stage=\"feed\"} 3",
            "tapeline_stage_seconds_bucket{le=\"0.000001\",stage=\"feed\"} 1",
            "tapeline_stage_seconds_bucket{le=\"30.0\",stage=\"feed\"} 2",
            "tapeline_stage_seconds_bucket{le=\"+Inf\",stage=\"feed\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
            assert!(classic(&text).lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn a_hostile_label_stays_one_label_on_one_line() {
        let text = openmetrics(filled("a\"} 9\ntapeline_fake 1\\\n# EOF"));
        let line = "tapeline_gaps_total{venue=\"a\\\"} 9\\ntapeline_fake 1\\\\\\n# EOF\",kind=\"odd\"} 3.0";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(classic(&text).lines().any(|found| found == line));
        assert!(!text.lines().any(|found| found.starts_with("tapeline_fake")), "{text}");
        assert_eq!(text.matches("\n# EOF\n").count(), 1);
    }
}
