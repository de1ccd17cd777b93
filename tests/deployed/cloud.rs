//! An AWS on this machine, and what is typed there: `infra/deploy`, `infra/remove`, the AWS CLI.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::REGION;
use crate::emulator::Emulator;
use crate::lambda::binary;
use crate::proxy::Proxy;
use crate::python;
use crate::stack::{ACCOUNT, config};

pub(super) const FUNCTIONS: [&str; 3] = ["planner", "worker", "notifier"];
pub(super) const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// MiniStack, with a bucket for packages.
#[derive(Debug)]
pub(super) struct Cloud {
    pub emulator: Emulator,
    pub sqs: aws_sdk_sqs::Client,
    /// Everything that the functions call goes through these, which take note of it.
    pub to_aws: Proxy,
    pub to_ec2: Proxy,
    python: PathBuf,
    /// Where `snapkeep` is.
    binaries: PathBuf,
}

impl Cloud {
    /// With EC2 and STS at `ec2`.
    pub async fn start(ec2: &str) -> Self {
        let emulator = Emulator::start().await;
        let sqs = aws_sdk_sqs::Client::new(&config(&emulator.url).await);
        let (to_aws, to_ec2) = (Proxy::start(&emulator.url).await, Proxy::start(ec2).await);
        let binaries = binary("snapkeep").await.parent().unwrap().into();
        let cloud = Self { emulator, sqs, to_aws, to_ec2, python: python::bin().await.into(), binaries };
        cloud.ask(&["bucket"]);
        cloud
    }

    /// What `cloud.py` says.
    pub fn ask(&self, words: &[&str]) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deployed/cloud.py");
        let python = self.python.join("python");
        let said = python::run(Command::new(python).arg(script).arg(&self.emulator.url).args(words));
        serde_json::from_str(&said).unwrap()
    }

    /// Deploys the stack as its manual says, or updates it, and gives its outputs.
    pub async fn deploy(&self, packages: &Path, parameters: &[&str]) -> Value {
        let output = self.try_deploy(packages, parameters);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "infra/deploy:\n{out}\n{err}");
        assert!(out.contains("snapkeep runs packages"), "{out}");
        self.ask(&["outputs", "snapkeep"])
    }

    pub fn try_deploy(&self, packages: &Path, parameters: &[&str]) -> Output {
        let mut line = vec!["--bucket", "packages", "--packages", packages.to_str().unwrap()];
        line.extend(parameters);
        self.shell(&format!("infra/deploy {}", line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")))
    }

    /// The parameters of a first deployment: everything here, as fast as EC2 lets it, and nothing that begins by itself.
    pub fn parameters(&self) -> Vec<String> {
        vec![
            "Email=ops@example.com".into(),
            format!("Regions={REGION}"),
            "PruneState=DISABLED".into(),
            "CreateRate=50".into(),
            format!("EndpointUrl={}", self.to_aws.url),
            format!("Ec2EndpointUrl={}", self.to_ec2.url),
        ]
    }

    /// Runs `script` in a shell in which the AWS CLI and `snapkeep` are those of this machine.
    pub fn shell(&self, script: &str) -> Output {
        self.shell_with(script, &[])
    }

    pub fn shell_with(&self, script: &str, environment: &[(&str, &str)]) -> Output {
        let tools = self.tools();
        let path = format!("{}:{}:/usr/bin:/bin", tools.display(), self.binaries.display());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]).current_dir(REPOSITORY).env_clear().env("PATH", path);
        shell.envs([("AWS_ACCESS_KEY_ID", ACCOUNT), ("AWS_SECRET_ACCESS_KEY", "test")]);
        // Version 1 of the CLI knows the second name only.
        shell.envs([("AWS_REGION", REGION), ("AWS_DEFAULT_REGION", REGION)]);
        shell.envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", tools.to_str().unwrap())]);
        shell.env("AWS_ENDPOINT_URL", &self.emulator.url);
        shell.envs([("AWS_ENDPOINT_URL_EC2", &self.to_ec2.url), ("AWS_ENDPOINT_URL_STS", &self.to_ec2.url)]);
        shell.envs(environment.iter().copied()).output().unwrap()
    }

    /// A folder with `aws` in it. Version 1 of the CLI, which is the one that can be installed here, takes a Region's
    /// own SQS in the place of `AWS_ENDPOINT_URL`, unless the endpoint stands on the line.
    fn tools(&self) -> PathBuf {
        let port = self.emulator.url.rsplit(':').next().unwrap();
        let folder = python::build_folder().join(format!("deployed-tools-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let (aws, real) = (folder.join("aws"), self.python.join("aws"));
        let script = format!(
            "#!/bin/sh\ncase $1 in ec2 | sts) url=$AWS_ENDPOINT_URL_EC2 ;; *) url=$AWS_ENDPOINT_URL ;; esac\n\
             case $url in http://127.0.0.1:*) ;; *) echo \"$url: only this machine\" >&2; exit 1 ;; esac\n\
             exec {} --endpoint-url \"$url\" \"$@\"\n",
            real.display()
        );
        std::fs::write(&aws, script).unwrap();
        std::fs::set_permissions(&aws, PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    /// Invokes the planner, and gives its answer.
    pub fn plan(&self, policy: &Value) -> Value {
        let answer = self.ask(&["invoke", "snapkeep-planner", &policy.to_string()]);
        assert_eq!(answer["error"], Value::Null, "{answer}");
        answer["answer"].clone()
    }

    pub async fn waiting(&self, queue: &str) -> usize {
        use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
        let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible];
        let request = self.sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let counts = request.send().await.unwrap().attributes.unwrap();
        names.iter().map(|name| counts[name].parse::<usize>().unwrap()).sum()
    }

    /// A queue that is subscribed to the topic: somebody's inbox.
    pub async fn inbox(&self, topic: &str) -> String {
        let url = self.sqs.create_queue().queue_name("inbox").send().await.unwrap().queue_url.unwrap();
        let sns = aws_sdk_sns::Client::new(&config(&self.emulator.url).await);
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inbox");
        sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await.unwrap();
        url
    }

    /// The mails that have come since the last look: subject and text.
    pub async fn mails(&self, inbox: &str) -> Vec<(String, String)> {
        let request = self.sqs.receive_message().queue_url(inbox).max_number_of_messages(10);
        let mails = request.send().await.unwrap().messages.unwrap_or_default();
        let envelopes = mails.iter().map(|mail| serde_json::from_str::<Value>(mail.body.as_deref().unwrap()).unwrap());
        let text = |envelope: &Value, name: &str| String::from(envelope[name].as_str().unwrap_or_default());
        envelopes.map(|envelope| (text(&envelope, "Subject"), text(&envelope, "Message"))).collect()
    }
}

/// The folder with the three packages of this build, named after its architecture as `infra/deploy` asks for.
pub(super) async fn packages() -> &'static Path {
    static MADE: OnceCell<PathBuf> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        let binaries = binary("planner").await;
        package(binaries.parent().unwrap(), &python::build_folder().join("packages/x86_64")).await
    })
    .await
}

/// Puts the functions among `binaries` into `folder`, as Lambda takes them: a zip with a `bootstrap`.
pub(super) async fn package(binaries: &Path, folder: &Path) -> PathBuf {
    let python = python::bin().await.join("python");
    for name in FUNCTIONS {
        let parts = folder.join(name);
        std::fs::create_dir_all(&parts).unwrap();
        let bootstrap = parts.join("bootstrap");
        python::run(Command::new("strip").arg("-o").arg(&bootstrap).arg(binaries.join(name)));
        let zip = folder.join(format!("{name}.zip"));
        python::run(Command::new(&python).args(["-c", ZIP]).arg(&bootstrap).arg(&zip));
    }
    folder.into()
}

/// With a time that is always the same, so that the same binary is the same package.
const ZIP: &str = "import sys, zipfile as z\n\
    entry = z.ZipInfo('bootstrap')\n\
    entry.external_attr, entry.compress_type = 0o755 << 16, z.ZIP_DEFLATED\n\
    with z.ZipFile(sys.argv[2], 'w', compresslevel=1) as f: f.writestr(entry, open(sys.argv[1], 'rb').read())";

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.tools());
    }
}
