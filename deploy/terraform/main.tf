# Pub/Sub of one instance: topics, subscriptions, dead letters, and who may use which.
# What stands in topology.json is written by scripts/make_deploy.py from the code.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0, < 8.0"
    }
  }
}

variable "project" {
  description = "Google Cloud project, PUBSUB_PROJECT_ID of the instance"
  type        = string
}

variable "kubernetes_namespace" {
  description = "namespace of deploy/kubernetes; empty = the services do not run on GKE"
  type        = string
  default     = "mathematricks"
}

locals {
  bus = jsondecode(file("${path.module}/topology.json"))
  dead_letter_topics = {
    for name, each in local.bus.subscriptions : name => each.dead_letter_topic
  }
  publishes = merge([
    for service, topics in local.bus.publishers : {
      for topic in topics : "${service}/${topic}" => { service = service, topic = topic }
    }
  ]...)
  takes = merge([
    for service, names in local.bus.subscribers : {
      for name in names : "${service}/${name}" => { service = service, subscription = name }
    }
  ]...)
  # The service agent of Pub/Sub moves dead letters: it must publish there and take them away here.
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_pubsub_topic" "topic" {
  for_each = toset(concat(local.bus.topics, values(local.dead_letter_topics)))
  project  = var.project
  name     = each.value
}

resource "google_pubsub_subscription" "subscription" {
  for_each             = local.bus.subscriptions
  project              = var.project
  name                 = each.key
  topic                = google_pubsub_topic.topic[each.value.topic].id
  ack_deadline_seconds = each.value.ack_deadline_seconds

  # Never deleted for being idle: a weekend is longer than many a default.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = each.value.minimum_backoff
    maximum_backoff = each.value.maximum_backoff
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topic[each.value.dead_letter_topic].id
    max_delivery_attempts = each.value.max_delivery_attempts
  }
}

# What lies in a dead-letter topic without a subscription is gone at once.
resource "google_pubsub_subscription" "dead" {
  for_each                   = local.dead_letter_topics
  project                    = var.project
  name                       = "${each.value}-kept"
  topic                      = google_pubsub_topic.topic[each.value].id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_service_account" "service" {
  for_each     = toset(local.bus.services)
  project      = var.project
  account_id   = "mt-${replace(each.value, "_", "-")}"
  display_name = "Mathematricks Trader, ${each.value}"
}

resource "google_service_account_iam_member" "workload_identity" {
  for_each           = var.kubernetes_namespace == "" ? toset([]) : toset(local.bus.services)
  service_account_id = google_service_account.service[each.value].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.kubernetes_namespace}/${replace(each.value, "_", "-")}]"
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publishes
  project  = var.project
  topic    = google_pubsub_topic.topic[each.value.topic].name
  role     = "roles/pubsub.publisher"
  member   = google_service_account.service[each.value.service].member
}

resource "google_pubsub_subscription_iam_member" "subscriber" {
  for_each     = local.takes
  project      = var.project
  subscription = google_pubsub_subscription.subscription[each.value.subscription].name
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.service[each.value.service].member
}

resource "google_pubsub_topic_iam_member" "dead_letter_publisher" {
  for_each = local.dead_letter_topics
  project  = var.project
  topic    = google_pubsub_topic.topic[each.value].name
  role     = "roles/pubsub.publisher"
  member   = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter_subscriber" {
  for_each     = local.bus.subscriptions
  project      = var.project
  subscription = google_pubsub_subscription.subscription[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
