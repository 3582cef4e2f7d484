/** Who we are to the brokers, and whom we trust. Plain data; `config.ts` has checked it. */

/** PEM texts. `ca` null: the authorities that Node knows; `cert` and `key`: our own certificate, where the brokers ask for one. */
export interface KafkaTls {
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  /** Client credentials are exchanged for a token, which is kept until shortly before it expires. */
  | {
      readonly mechanism: 'oauthbearer'
      readonly tokenUrl: string
      readonly clientId: string
      readonly clientSecret: string
      readonly scope: string | null
      /** Who signed the token endpoint's certificate; null: the authorities that Node knows. */
      readonly ca: string | null
    }

export interface KafkaCredentials {
  /** Null: in clear. */
  readonly tls: KafkaTls | null
  readonly sasl: KafkaSasl | null
}
