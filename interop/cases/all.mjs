// Every case of the current JavaScript client, by the sentence that names it.

import { cases as connecting } from './connecting.mjs';
import { cases as balancing } from './balancing.mjs';
import { cases as reconnecting } from './reconnecting.mjs';
import { cases as topics } from './topics.mjs';
import { cases as values } from './values.mjs';
import { cases as properties } from './properties.mjs';
import { cases as selectors } from './selectors.mjs';
import { cases as fetching } from './fetching.mjs';
import { cases as updating } from './updating.mjs';
import { cases as sessions } from './sessions.mjs';
import { cases as families } from './families.mjs';

export const cases = {
    ...connecting, ...balancing, ...reconnecting, ...topics, ...values, ...properties, ...selectors, ...fetching, ...updating, ...sessions, ...families,
};
