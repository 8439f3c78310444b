// An adapter is proven by the suite of its port, and by nothing else. Here the suites run on adapters that are wrong on purpose,
// so `npm test -w broken-adapter` fails: look at the cases that it names. A right adapter is set up in the same way.
import { describe, test } from 'node:test'
import { providerSuite, storeSuite } from 'holdfast/testing'
import { brokenNote, providerFaults } from './provider.mjs'
import { lacks, openBroken, storeFaults } from './store.mjs'

const framework = { describe, test }

storeSuite('without a fault', openBroken({}), { framework })
for (const [fault, planted] of Object.entries(storeFaults)) storeSuite(fault, openBroken(planted), { framework, lacks })

providerSuite('provider: without a fault', brokenNote({}), framework)
for (const [fault, planted] of Object.entries(providerFaults)) providerSuite(`provider: ${fault}`, brokenNote(planted), framework)
