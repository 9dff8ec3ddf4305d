/** What is used of jstat, which has no types of its own. */
declare module 'jstat' {
  const jstat: {
    studentt: {
      /** the quantile of Student's t distribution */
      inv(probability: number, degreesOfFreedom: number): number;
    };
  };
  export default jstat;
}
