/** What runs in containers, here and in docker-compose.yml: a test holds the two, and the local parts' versions, together. */
export const IMAGES = {
  /** Kafka 4.2: Confluent counts four more. The Kafka module of testcontainers runs no image but Confluent's. */
  kafka: 'confluentinc/cp-kafka:8.2.0',
  registry: 'apicurio/apicurio-registry-mem:2.6.13.Final',
  postgres: 'postgres:17-bookworm',
} as const
