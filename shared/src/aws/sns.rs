//! A topic of SNS.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use super::error::api_error;
use crate::vocabulary::api_error::ApiError;

/// A topic of SNS.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// A message attribute: what a subscription's filter policy looks at.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its value. SNS refuses an empty one: leave the attribute out.
    pub value: Value,
}

/// The value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A `String`.
    Text(String),
    /// A `String.Array`, of which a filter policy needs to match one.
    List(Vec<String>),
}

/// The longest message in bytes, its attributes included. A topic may be set to take more; none takes less.
/// <https://docs.aws.amazon.com/sns/latest/api/API_MessageAttributeValue.html>
pub const LARGEST_MESSAGE: usize = 256 * 1024;

impl Topic {
    pub(super) fn new(config: &SdkConfig, arn: &str) -> Self {
        Self { client: Client::new(config), arn: arn.into() }
    }

    /// Publishes a message. The subject is what an e-mail shows: printable ASCII, fewer than 100 characters.
    /// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
    pub async fn publish(&self, subject: &str, text: &str, attributes: &[Attribute]) -> Result<(), ApiError> {
        let mut request = self.client.publish().topic_arn(&self.arn).subject(subject).message(text);
        for Attribute { name, value } in attributes {
            let (data_type, text) = value.parts();
            let value = MessageAttributeValue::builder().data_type(data_type).string_value(text);
            request = request.message_attributes(*name, value.build().expect("the data type is set"));
        }
        request.send().await.map_err(|error| api_error(&format!("publish to {}", self.arn), error))?;
        Ok(())
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Attribute {
    /// How much of a message's bytes it takes: name, type and value.
    pub fn size(&self) -> usize {
        let (data_type, text) = self.value.parts();
        self.name.len() + data_type.len() + text.len()
    }
}

impl Value {
    /// The data type and the value as SNS takes them: an array is JSON.
    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Text(text) => ("String", text.clone()),
            Self::List(values) => ("String.Array", serde_json::to_string(values).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_json_and_counts_with_its_name_and_type() {
        let attribute = Attribute { name: "region", value: Value::List(vec!["eu-central-1".into(), "us\"".into()]) };
        assert_eq!(attribute.value.parts(), ("String.Array", r#"["eu-central-1","us\""]"#.into()));
        assert_eq!(attribute.size(), "region".len() + "String.Array".len() + r#"["eu-central-1","us\""]"#.len());
    }
}
