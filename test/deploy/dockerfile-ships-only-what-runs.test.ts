/**
 * The image, as far as it can be judged without Docker: dev/ship/prove.ts builds and runs it. Each claim stands beside a
 * change of the Dockerfile that breaks it, so that none of them can hold by accident.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { definition } from '../../src/config.ts'
import {
  ancestry,
  copiedFromCheckout,
  type Dockerfile,
  finalStage,
  isSent,
  parseDockerfile,
  textsOf,
  wordsOf,
} from './dockerfile.ts'

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

interface Manifest {
  readonly name: string
  readonly description: string
  readonly license: string
  readonly devDependencies: Readonly<Record<string, string>>
}

const dockerfile = read('Dockerfile')
const ignore = read('.dockerignore')
// Boundary: the fields that npm itself knows, in a file that npm has read before any test runs.
const manifest = JSON.parse(read('package.json')) as Manifest

interface Claim {
  readonly claim: string
  /** A line for everything that breaks it. */
  readonly broken: (file: Dockerfile) => readonly string[]
  /** What breaks it: a part of the Dockerfile, and what stands in its place. */
  readonly planted: readonly (readonly [part: string, instead: string])[]
}

const isManifest = (path: string): boolean => ['package.json', 'package-lock.json'].includes(path)
const installs = (file: Dockerfile) =>
  file.stages.flatMap(stage => textsOf(stage, 'RUN').flatMap(run => (run.includes('npm ') ? [{ stage, run }] : [])))
const imagesOf = ({ stages }: Dockerfile): string[] =>
  stages.map(({ from }) => from).filter(from => !stages.some(({ name }) => name === from))
/** What is copied to a path of the final stage: from which stage. */
const originOf = (file: Dockerfile, path: string): string | undefined =>
  textsOf(finalStage(file), 'COPY')
    .find(text => text.endsWith(` ${path}`))
    ?.match(/--from=(\S+)/)?.[1]

const CLAIMS: readonly Claim[] = [
  {
    claim: 'it is built on the Node that the tests run on',
    broken: file => {
      const wanted = `node:${manifest.devDependencies['node']}-bookworm-slim`
      const built = imagesOf(file).filter(image => image.startsWith('node:'))
      return built.length === 0 ? ['no Node'] : built.filter(image => image !== wanted)
    },
    planted: [[`NODE_VERSION=${manifest.devDependencies['node']}`, 'NODE_VERSION=24.1.0']],
  },
  {
    claim: 'every image has a tag that means one thing',
    broken: file => imagesOf(file).filter(image => !/:[\w.-]+$|@sha256:/.test(image) || image.endsWith(':latest')),
    planted: [
      ['nodejs24-debian12:nonroot\n', 'nodejs24-debian12:latest\n'],
      ['nodejs24-debian12:nonroot\n', 'nodejs24-debian12\n'],
    ],
  },
  {
    claim: 'the image that runs is distroless and can be pinned from outside',
    broken: file => {
      const runtime = file.args.get('RUNTIME_IMAGE') ?? ''
      const isDistroless = runtime.startsWith('gcr.io/distroless/nodejs24-')
      return isDistroless && finalStage(file).from === runtime ? [] : [finalStage(file).from]
    },
    planted: [['FROM ${RUNTIME_IMAGE} AS service', 'FROM node:24-bookworm-slim AS service']],
  },
  {
    claim: 'packages are installed from the lock file, without their scripts',
    broken: file => installs(file).flatMap(({ run }) => (/npm ci .*--ignore-scripts/.test(run) ? [] : [run])),
    planted: [
      ['npm ci --omit=dev', 'npm install --omit=dev'],
      ['npm ci --ignore-scripts', 'npm ci'],
    ],
  },
  {
    claim: 'a change of source does not install again',
    broken: file =>
      installs(file).flatMap(({ stage }) =>
        ancestry(file, stage.name)
          .flatMap(copiedFromCheckout)
          .filter(path => !isManifest(path)),
      ),
    planted: [['COPY package.json package-lock.json ./', 'COPY . ./']],
  },
  {
    claim: 'what ships has production dependencies only',
    broken: file => {
      const origin = originOf(file, '/app/node_modules') ?? ''
      const runs = ancestry(file, origin).flatMap(stage => textsOf(stage, 'RUN'))
      return runs.length === 1 && runs[0]?.includes('--omit=dev') === true ? [] : [`node_modules is of ${origin}`]
    },
    planted: [
      ['--from=production /app/node_modules', '--from=dependencies /app/node_modules'],
      ['npm ci --omit=dev', 'npm ci'],
    ],
  },
  {
    claim: 'what ships is compiled from what was copied, with what it reads at run time',
    broken: file =>
      ['/app/dist', '/app/migrations', '/app/package.json', '/app/process-one.mjs'].filter(
        path => originOf(file, path) !== 'build',
      ),
    planted: [
      ['COPY --from=build /app/migrations /app/migrations\n', ''],
      ['COPY --from=build /app/dist /app/dist', 'COPY dist /app/dist'],
    ],
  },
  {
    claim: 'nothing is run where there is no shell',
    broken: file => textsOf(finalStage(file), 'RUN'),
    planted: [['WORKDIR /app\n\n# Its files', 'WORKDIR /app\nRUN true\n\n# Its files']],
  },
  {
    claim: 'every user that something runs as is a number, and not root',
    broken: file =>
      ['service', 'traffic'].flatMap(name => {
        const user =
          textsOf(file.stages.find(stage => stage.name === name) ?? finalStage(file), 'USER').at(-1) ?? 'root'
        return /^[1-9]\d*:[1-9]\d*$/.test(user) ? [] : [user]
      }),
    planted: [
      ['USER 65532:65532', 'USER nonroot'],
      ['USER 65532:65532', 'USER 0:0'],
      ['USER 65532:65532\n', ''],
      ['USER 1000:1000\n', ''],
    ],
  },
  {
    claim: 'signals reach Node: no shell stands between, and the stop signal is the one that the service listens to',
    broken: file => {
      const final = finalStage(file)
      const shell = ['ENTRYPOINT', 'CMD'].flatMap(keyword => {
        const texts = textsOf(final, keyword)
        return texts.length === 1 && wordsOf(texts[0] ?? '') !== null ? [] : [`${keyword} ${texts.join()}`]
      })
      const signal = textsOf(final, 'STOPSIGNAL').join()
      return signal === 'SIGTERM' ? shell : [...shell, signal]
    },
    planted: [
      ['CMD ["dist/main.js"]', 'CMD dist/main.js'],
      [/ENTRYPOINT \["\/nodejs.*/.exec(dockerfile)?.[0] ?? '', 'ENTRYPOINT /nodejs/bin/node'],
      ['STOPSIGNAL SIGTERM', 'STOPSIGNAL SIGKILL'],
    ],
  },
  {
    claim:
      'the heap follows the memory limit, early signals are heard, and another command takes the place of the service',
    broken: file => {
      const entry = (wordsOf(textsOf(finalStage(file), 'ENTRYPOINT')[0] ?? '') ?? []).join(' ')
      const command = (wordsOf(textsOf(finalStage(file), 'CMD')[0] ?? '') ?? []).join(' ')
      const wanted = '/nodejs/bin/node --max-old-space-size-percentage=60 --import=/app/process-one.mjs'
      return entry === wanted && command === 'dist/main.js' ? [] : [`${entry} ${command}`]
    },
    planted: [
      ['percentage=60"', 'percentage=90"'],
      [', "--import=/app/process-one.mjs"', ''],
      ['process-one.mjs"]', 'process-one.mjs", "dist/main.js"]'],
    ],
  },
  {
    claim: 'health is asked of the service by its own command',
    broken: file => {
      const [check = ''] = textsOf(finalStage(file), 'HEALTHCHECK')
      const words = wordsOf(check.slice(check.indexOf('CMD') + 3).trim())
      return words?.join(' ') === '/nodejs/bin/node dist/cli.js healthcheck' ? [] : [check]
    },
    planted: [
      ['CMD ["/nodejs/bin/node", "dist/cli.js", "healthcheck"]', 'CMD /nodejs/bin/node dist/cli.js healthcheck'],
      ['"healthcheck"]', '"healthcheck", "--ready"]'],
    ],
  },
  {
    claim: 'it says where it listens',
    broken: file => {
      const port = /^# HTTP_PORT=(\d+)$/m.exec(definition.example())?.[1]
      return textsOf(finalStage(file), 'EXPOSE').join() === port ? [] : [`not ${port}`]
    },
    planted: [['EXPOSE 8080', 'EXPOSE 3000']],
  },
  {
    claim: 'its labels are those of package.json, its version and revision those of the build',
    broken: file => {
      const labels = textsOf(finalStage(file), 'LABEL').join(' ')
      const wanted = {
        title: manifest.name,
        description: manifest.description,
        licenses: manifest.license,
        version: '${VERSION}',
        revision: '${REVISION}',
      }
      return Object.entries(wanted)
        .map(([name, value]) => `org.opencontainers.image.${name}="${value}"`)
        .filter(label => !labels.includes(label))
    },
    planted: [['licenses="MIT"', 'licenses="Apache-2.0"']],
  },
]

describe.each(CLAIMS)('$claim', ({ broken, planted }) => {
  test('holds', () => {
    expect(broken(parseDockerfile(dockerfile))).toEqual([])
  })

  test.each(planted)('%j → %j is found', (part, instead) => {
    const changed = dockerfile.replace(part, () => instead)
    expect(changed).not.toBe(dockerfile)
    expect(broken(parseDockerfile(changed))).not.toEqual([])
  })
})

describe('.dockerignore', () => {
  const SECRET = [
    '.git/config',
    '.env',
    '.env.local',
    'node_modules/pg/package.json',
    'dist/main.js',
    'helm/values.yaml',
  ]
  const INSIDE = [
    'src/.env',
    'dev/.env.production',
    'src/secrets/password',
    'dev/certs/client.key',
    'src/a/ca.pem',
    'x.log',
  ]

  test.each([...SECRET, ...INSIDE])('%s is not sent', path => {
    expect(isSent(ignore, path)).toBe(false)
    // Without the file it would be.
    expect(isSent('', path)).toBe(true)
  })

  test('everything that is copied is sent', () => {
    const copied = parseDockerfile(dockerfile).stages.flatMap(copiedFromCheckout)
    expect(copied).toContain('src')
    expect(copied.filter(path => !isSent(ignore, path))).toEqual([])
    expect(isSent(ignore, 'src/adapters/kafka/source.ts')).toBe(true)
    expect(isSent(ignore.replace('!src\n', ''), 'src/main.ts')).toBe(false)
  })
})
