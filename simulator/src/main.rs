//! The simulator as a program.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

/// An EC2 that runs on this machine, with EC2's limits, for the SDKs, boto3 and the AWS CLI.
///
/// Point them at it with `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL_STS`. An access key id of twelve digits is the
/// account; the secret may be anything.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen. Only loopback: it has no access control.
    #[arg(long, default_value = "127.0.0.1:4577")]
    listen: SocketAddr,
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
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    if !options.listen.ip().is_loopback() {
        return Err(std::io::Error::other(format!("--listen is {}; allowed: a loopback address", options.listen)));
    }
    let world = Arc::new(World::default());
    for region in &options.regions {
        Fleet::new(&options.account, region, options.volumes).build(&world);
    }
    let server = Server::start(world, options.listen).await?;
    println!("listening on {}: {} volumes in each of {}", server.url, options.volumes, options.regions.join(", "));
    tokio::signal::ctrl_c().await
}
