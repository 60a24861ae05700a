/** What the bundled page of the API leaves out for people who hear it: levels of headings, names of choices and parts. */

const name = () => {
  for (const tag of document.querySelectorAll("h3.opblock-tag:not([aria-level])")) tag.setAttribute("aria-level", "2");
  for (const shapes of document.querySelectorAll(".models > h4:not([aria-level])")) shapes.setAttribute("aria-level", "2");
  for (const part of document.querySelectorAll(".opblock-body :is(h4, h5):not([aria-level])")) part.setAttribute("aria-level", "3");
  for (const choice of document.querySelectorAll("#swagger-ui select:not([aria-label])")) choice.setAttribute("aria-label", "Choose");
  for (const text of document.querySelectorAll("pre.microlight:not([tabindex])")) text.setAttribute("tabindex", "0"); // it scrolls
  const about = document.querySelector(".information-container:not([role])");
  about?.setAttribute("role", "region");
  about?.setAttribute("aria-label", "About this API");
};

new MutationObserver(name).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });
name();
