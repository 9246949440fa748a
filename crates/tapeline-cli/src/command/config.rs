//! `tapeline config`: check, show and describe the configuration.

use tapeline::settings::{self, DEFAULT_FILE, Settings, Sources};

use crate::args::{ConfigAction, Global};
use crate::exit::{Exit, Failed};
use crate::out::print;

/// Runs the command.
pub(crate) fn run(action: ConfigAction, global: &Global) -> Result<Exit, Failed> {
    match action {
        ConfigAction::Schema => print(&format!("{:#}\n", settings::schema()))?,
        ConfigAction::Reference => print(&settings::reference())?,
        ConfigAction::Show => print(&load(global)?.to_toml())?,
        ConfigAction::Check => {
            let sources = sources(global)?;
            let settings = read(&sources)?;
            print(&format!("configuration ok\n{}", told(&sources, &settings)))?;
        }
    }
    Ok(Exit::Done)
}

/// The configuration of this run, warnings told.
pub(crate) fn load(global: &Global) -> Result<Settings, Failed> {
    read(&sources(global)?)
}

/// The configuration of this run over some `section.key=value` of lower rank than flags.
pub(crate) fn load_over(mut lower: Vec<String>, global: &Global) -> Result<Settings, Failed> {
    let mut sources = sources(global)?;
    let key = |flag: &str| flag.split_once('=').map(|(key, _)| key.trim().to_owned());
    lower.retain(|flag| !sources.flags.iter().any(|given| key(given) == key(flag)));
    sources.flags.splice(0..0, lower);
    read(&sources)
}

fn sources(global: &Global) -> Result<Sources, Failed> {
    Ok(Sources::of_process(global.config.as_deref(), global.set.clone())?)
}

fn read(sources: &Sources) -> Result<Settings, Failed> {
    let settings = Settings::read(sources)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    Ok(settings)
}

/// Where the configuration was read from, one line each.
fn told(sources: &Sources, settings: &Settings) -> String {
    let given = settings.given();
    let count = |kind: fn(&settings::Origin) -> bool| given.iter().filter(|origin| kind(origin)).count();
    let mut out = match &sources.file {
        Some((name, _)) => format!("  file         {name}\n"),
        None => format!("  file         none ({DEFAULT_FILE} is not in this folder)\n"),
    };
    out.push_str(&format!(
        "  environment  {} keys\n",
        count(|origin| matches!(origin, settings::Origin::Environment(_)))
    ));
    out.push_str(&format!(
        "  flags        {} keys\n",
        count(|origin| matches!(origin, settings::Origin::Flag(_)))
    ));
    out
}
