/** How a Kafka node is formatted and started by a local Java, from Maven's jars. */
import type { Errand } from './errand.ts'
import { javaCommand, kafkaJars } from './maven.ts'
import type { Say } from './parts.ts'
import { formatArguments } from './server-properties.ts'

export interface JavaKafka {
  readonly java: string
  readonly jars: string
}

/** In the folder that the node's keeper makes; paths in it are relative, too. */
const PROPERTIES_FILE = 'server.properties'

export async function javaKafka(say: Say): Promise<JavaKafka> {
  return { java: javaCommand(), jars: await kafkaJars(say) }
}

/** For a keeper: the node's file, the formatting of its storage, and the node itself. */
export function nodeSteps(
  { java, jars }: JavaKafka,
  {
    properties,
    jvm = [],
    ...format
  }: { properties: string; jvm?: readonly string[] } & NonNullable<Parameters<typeof formatArguments>[1]>,
): Pick<Errand, 'files' | 'before' | 'main'> {
  const usual = [
    '-XX:+UseSerialGC',
    // Without these two the JVM leaves folders in the machine's temporary folder.
    '-XX:-UsePerfData',
    '-Djava.io.tmpdir=.',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    ...jvm,
    '-cp',
    `${jars}/*`,
  ]
  const tool = ['kafka.tools.StorageTool', ...formatArguments(PROPERTIES_FILE, format)]
  return {
    files: { [PROPERTIES_FILE]: properties },
    before: [{ command: java, args: ['-Xmx128m', '-XX:TieredStopAtLevel=1', ...usual, ...tool] }],
    main: { command: java, args: ['-Xmx512m', '-Xms128m', ...usual, 'kafka.Kafka', PROPERTIES_FILE] },
  }
}
