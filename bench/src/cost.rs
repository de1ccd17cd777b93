//! What 100,000 volumes cost in Lambda and SQS, by measured times and calls: a planner over thirty Regions, and a lane of
//! a thousand volumes in real time, a hundred times.

use serde_json::json;
use simulator::server::Server;

use crate::Result;
use crate::drain::DEFAULT_RATE;
use crate::report::{Measured, Report, Target};
use crate::stage::{Ec2, Place, REGION, fleet};
use crate::systems::{Pipeline, daily, snapkeep};

const VOLUMES: usize = 1000;
const ALL: f64 = 100_000.0;
const GIB: f64 = 128.0 / 1024.0;
/// us-east-1, arm64, for each GB-second: <https://aws.amazon.com/lambda/pricing/>
const GIB_SECOND: f64 = 0.000_013_333_4;
/// For each request: the same page.
const REQUEST: f64 = 0.2e-6;
/// For each request of a FIFO queue, beyond the free million of a month: <https://aws.amazon.com/sqs/pricing/>
const FIFO_REQUEST: f64 = 0.5e-6;

/// One lane in real time, and its bill times a hundred.
pub async fn measure(place: &Place) -> Result<()> {
    let mut report =
        Report::new("cost", "100,000 volumes: dollars, by the times and calls of a lane of 1,000 in real time");
    for _ in 0..place.runs {
        let ec2 = Ec2::at(1.0);
        let world = ec2.world();
        fleet(&world, REGION, VOLUMES);
        let server = Server::start_local(world).await?;
        let pipeline = Pipeline { policies: vec![daily("daily", &[REGION.into()])], lanes: 1, rate: DEFAULT_RATE };
        let spent = snapkeep(place, &server.url, &ec2, &pipeline).await?;
        let (worker, planner) = (spent.worker.unwrap_or_default(), spent.planner.unwrap_or_default());
        let times = ALL / VOLUMES as f64;
        let waiting = worker.billed.as_secs_f64() * GIB * GIB_SECOND * times;
        let planning = planner.billed.as_secs_f64() * GIB * GIB_SECOND * times;
        let requests = worker.invocations as f64 * REQUEST * times;
        let queue = spent.sqs_calls as f64 * FIFO_REQUEST * times;
        report.measured.push(Measured {
            case: json!(ALL).to_string() + " volumes",
            system: "snapkeep".into(),
            figures: vec![
                ("worker's ms per job", worker.billed.as_secs_f64() * 1000.0 / VOLUMES as f64),
                ("SQS calls per job", spent.sqs_calls as f64 / VOLUMES as f64),
                ("worker $", waiting),
                ("planner $", planning),
                ("Lambda requests $", requests),
                ("SQS $", queue),
                ("all $", waiting + planning + requests + queue),
            ],
            curve: Vec::new(),
        });
    }
    if let Some(dollars) = report.median("100000.0 volumes", "snapkeep", "all $") {
        report.targets.push(Target::at_most("dollars in Lambda and SQS, at most 0.10", dollars, 0.10));
    }
    report.publish(place)
}
