//! The simulator as a program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use simulator::fleet::Fleet;
use simulator::scenario::Scenario;
use simulator::server::Server;
use simulator::world::World;

/// An EC2 that runs on this machine, with EC2's limits and failures, for the SDKs, boto3 and the AWS CLI.
///
/// Point them at it with `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL_STS`. An access key id of twelve digits is the
/// account; the secret may be anything. `GET /_simulator/counters`, `history`, `settings`, `faults` and `clock` show
/// what happened and how it stands; `POST` to `scenario`, `settings`, `faults`, `clock` and `reset` changes it. The
/// manual, simulator/README.md, has all of it, and what is not modelled.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen. Only loopback: it has no access control.
    #[arg(long, default_value = "127.0.0.1:4577")]
    listen: SocketAddr,
    /// A scenario in TOML or JSON: settings, fleets, Recycle Bin rules, faults. Without it, a fleet as below.
    #[arg(long, conflicts_with_all = ["account", "regions", "volumes"])]
    scenario: Option<PathBuf>,
    /// The account that owns the fleet.
    #[arg(long, default_value = "123456789012")]
    account: String,
    /// The fleet's Regions.
    #[arg(long, value_delimiter = ',', default_value = "eu-central-1")]
    regions: Vec<String>,
    /// Volumes in each Region, two for each instance, whose tag is Backup=true.
    #[arg(long, default_value_t = 10)]
    volumes: usize,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match run(Options::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            std::process::ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    if !options.listen.ip().is_loopback() {
        return Err(format!("--listen is {}; allowed: a loopback address", options.listen));
    }
    let world = Arc::new(World::default());
    match &options.scenario {
        Some(path) => {
            let named = |error: String| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
            Scenario::read(&text).and_then(|scenario| scenario.build(&world)).map_err(named)?;
        }
        None => {
            for region in &options.regions {
                let settings = world.settings();
                if !settings.regions.contains(region) {
                    return Err(format!("--regions has {region}; allowed: {}", settings.regions.join(", ")));
                }
                Fleet::new(&options.account, region, options.volumes).build(&world);
            }
        }
    }
    let server = Server::start(world, options.listen).await.map_err(|error| format!("{}: {error}", options.listen))?;
    println!("listening on {}", server.url);
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}
