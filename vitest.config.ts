import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The README's handler imports the package by its name. */
const alias = { sluice: fileURLToPath(new URL('src/service.ts', import.meta.url)) }

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: [
            'test/{core,consumer,contracts,simulation,adapters,config,cli,deploy,types,readme}/**/*.test.ts',
            'test/*.test.ts',
          ],
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/parts.setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
