/** Imported before a program (`node --import`): its clock is wrong by so many milliseconds. */
const shift = Number(process.env.KUBEMEND_TEST_CLOCK_SHIFT);
const rightTime = Date.now;
Date.now = () => rightTime() + shift;
