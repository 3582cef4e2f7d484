/** One run of the sample: parts, topics, service, traffic, and the account at its end. */
import { setTimeout as sleep } from 'node:timers/promises'

import { account, uncommitted } from './account.ts'
import { build } from './build.ts'
import { type Progress, progressLine, progressOf, type Screen } from './progress.ts'
import { createTopics, kafkaAt, registerSchemas, type Sent, sendTraffic } from './send.ts'
import { type RunningService, STOPPED_WITHIN_MS, startService, untilReady } from './service.ts'
import { findParts } from './stack/find.ts'
import type { RunningParts } from './stack/parts.ts'
import { summary } from './summary.ts'
import { planTraffic, TOPICS, type TrafficPlan } from './traffic.ts'

const LOOK_EVERY_MS = 500
/** An unknown schema takes the service 30 s by design; three times that without any progress is a stall. */
const STALLED_AFTER_MS = 90_000

interface Setup {
  parts: RunningParts
  service: RunningService
  group: string
  plan: TrafficPlan
}

export class Run {
  readonly #options: { once: boolean; seed: number }
  readonly #screen: Screen
  #parts: RunningParts | undefined
  #service: RunningService | undefined
  #sentSoFar = 0
  stopAsked = false
  /** Something is wrong: the service's log is worth keeping. */
  failed = false
  /** Everything that was sent is accounted for. */
  settled = false

  constructor(options: { once: boolean; seed: number }, screen: Screen) {
    this.#options = options
    this.#screen = screen
  }

  /** Resolves to the exit code; without --once only when something ends that should not. */
  async toTheEnd(): Promise<number> {
    const setup = await this.#setUp()
    const { parts, service, plan } = setup
    const broken = Promise.race([parts.broken, this.#endOf(service)]).then(why => {
      if (!this.stopAsked) throw new Error(why)
      return 0
    })
    // It is awaited below, together with the work; until then a rejection has nobody else to hear it.
    broken.catch(() => undefined)
    const kafka = kafkaAt(parts.brokers)
    const sending = sendTraffic(kafka, plan, {
      onPhase: name => this.#screen.say(`  sending ${name}`),
      onBatch: records => {
        this.#sentSoFar += records
      },
      stopped: () => this.stopAsked,
    })
    const code = await Promise.race([this.#followToTheEnd(setup, sending), broken])
    if (this.#options.once || this.stopAsked) return code
    this.#screen.say('\nup until Ctrl-C')
    return Promise.race([this.#watch(service), broken])
  }

  /** Service first, then the parts. Resolves to whether the service ended as it should. A second call is a no-op. */
  async stop(): Promise<boolean> {
    const service = this.#service
    const parts = this.#parts
    this.#service = undefined
    this.#parts = undefined
    const clean = service === undefined || (await this.#stopService(service))
    await parts?.stop()
    return clean
  }

  async #stopService({ kept }: RunningService): Promise<boolean> {
    // Asked to drain while its log can still be kept: that it ends badly is known only afterwards.
    kept.signal('SIGTERM')
    const ended = await Promise.race([kept.ended, sleep(STOPPED_WITHIN_MS, undefined)])
    const clean = ended?.code === 0
    const how =
      ended === undefined ? 'did not end' : `ended with ${ended.reason ?? ended.signal ?? `exit code ${ended.code}`}`
    if (!clean) this.#screen.say(`the service ${how} instead of ending with exit code 0`)
    if (!clean || this.failed) {
      kept.keepFolder()
      this.#screen.say(`its log is kept: ${kept.logFile}`)
    }
    await kept.stop()
    return clean
  }

  async #endOf({ kept }: RunningService): Promise<string> {
    const { code, signal, reason } = await kept.ended
    return `the service ended by itself (${reason ?? signal ?? `exit code ${code}`}):\n${await kept.logTail()}`
  }

  async #setUp(): Promise<Setup> {
    const { seed } = this.#options
    const say = (line: string) => this.#screen.say(line)
    const run = Date.now().toString(36)
    const [parts, built] = await Promise.all([findParts({ say }).then(found => this.#adopt(found)), build()])
    const group = process.env['KAFKA_GROUP_ID'] || (parts.way === 'external' ? `sluice-${run}` : 'sluice')
    if (built) say('built dist/')
    const kafka = kafkaAt(parts.brokers)
    const encode = await registerSchemas(parts.registryUrl)
    await createTopics(kafka, deadLetterTopicsOf(group))
    const service = await startService(parts, { group })
    this.#service = service
    await untilReady(service)
    for (const line of addresses(parts, service, group)) say(line)
    const plan = planTraffic({ seed, run, startMs: Date.now(), encode })
    say(`\nsample traffic, seed ${seed}, run ${run}`)
    return { parts, service, group, plan }
  }

  /** Known to `stop` from the first moment. */
  #adopt(parts: RunningParts): RunningParts {
    this.#parts = parts
    return parts
  }

  async #followToTheEnd({ parts, service, group, plan }: Setup, sending: Promise<Sent>): Promise<number> {
    const kafka = kafkaAt(parts.brokers)
    const stalled = await this.#follow(service, sending, () => uncommitted(kafka, group))
    if (this.stopAsked) return 1
    const sent = await sending
    const deadLetterTopics = deadLetterTopicsOf(group)
    const found = await account({ kafka, databaseUrl: parts.databaseUrl, group, deadLetterTopics, plan, sent })
    const progress = await progressOf(service)
    this.#screen.say()
    for (const line of summary(sent, found, progress)) this.#screen.say(line)
    this.settled = stalled === undefined && found.missing.length === 0
    if (this.settled) {
      this.#screen.say('\nevery event is accounted for')
      return 0
    }
    this.failed = true
    this.#screen.say(stalled === undefined ? '\nnot every event is accounted for:' : `\n${stalled}:`)
    for (const line of found.missing) this.#screen.say(`  - ${line}`)
    for (const { topic, partition, blockedBy } of (await service.partitions()) ?? []) {
      if (blockedBy !== null) this.#screen.say(`  - ${topic}/${partition} is blocked: ${blockedBy}`)
    }
    return 1
  }

  /** Resolves when everything sent is committed, or to a sentence when nothing has moved for too long. */
  async #follow(
    service: RunningService,
    sending: Promise<Sent>,
    behind: () => Promise<string[]>,
  ): Promise<string | undefined> {
    let allSent = false
    const watchSending = sending.then(() => {
      allSent = true
      return undefined
    })
    let last = ''
    let movedMs = performance.now()
    while (!this.stopAsked) {
      await Promise.race([sleep(LOOK_EVERY_MS), allSent ? undefined : watchSending.then(() => sleep(LOOK_EVERY_MS))])
      const progress = await progressOf(service)
      if (progress !== undefined) this.#screen.show(progressLine(progress, this.#sentSoFar))
      const left = allSent ? await behind() : ['not everything is sent']
      if (left.length === 0) return undefined
      const now = JSON.stringify([progress, left])
      if (now !== last) movedMs = performance.now()
      last = now
      if (performance.now() - movedMs > STALLED_AFTER_MS) return `nothing has moved for ${STALLED_AFTER_MS / 1_000} s`
    }
    return 'stopped'
  }

  async #watch(service: RunningService): Promise<number> {
    while (!this.stopAsked) {
      await sleep(LOOK_EVERY_MS)
      const progress: Progress | undefined = await progressOf(service)
      if (progress !== undefined) this.#screen.show(progressLine(progress, this.#sentSoFar))
    }
    return 0
  }
}

function deadLetterTopicsOf(group: string): string[] {
  return TOPICS.map(topic => `${topic}.${group}.dlt`)
}

/** A password that somebody gave is not repeated on a screen. */
function shownUrl(url: string, way: RunningParts['way']): string {
  if (way !== 'external') return url
  const shown = new URL(url)
  if (shown.password !== '') shown.password = '***'
  return shown.href
}

function addresses(parts: RunningParts, { url, kept }: RunningService, group: string): string[] {
  return [
    '',
    `the service is ready (group ${group})`,
    `  live      ${url}/livez`,
    `  ready     ${url}/readyz`,
    `  metrics   ${url}/metrics`,
    `  status    ${url}/status`,
    `  Kafka     ${parts.brokers.join(',')}`,
    `  registry  ${parts.registryUrl}`,
    `  Postgres  ${shownUrl(parts.databaseUrl, parts.way)}`,
    `  its log   ${kept.logFile}`,
  ]
}
