/** Packages from Maven, with all that they need: the machine's own Maven settings say where they come from. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { output } from './command.ts'

/** `alone`: without what it depends on, for an archive holds its libraries already. */
type Package = { group: string; artifact: string; version: string; type?: string; classifier?: string; alone?: boolean }

function pomOf(packages: Package[]): string {
  const dependencies = packages.map(
    ({ group, artifact, version, type, classifier, alone }) => `
    <dependency>
      <groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
      ${type === undefined ? '' : `<type>${type}</type>`}${classifier === undefined ? '' : `<classifier>${classifier}</classifier>`}
      ${alone ? '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>' : ''}
    </dependency>`,
  )
  return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>local-parts</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${dependencies.join('')}
  </dependencies>
</project>
`
}

export async function copyPackages(packages: Package[], into: string): Promise<void> {
  const pom = join(into, 'pom.xml')
  await writeFile(pom, pomOf(packages))
  await output('mvn', ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${into}`])
  await rm(pom)
}
