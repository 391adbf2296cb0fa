"""Two pipelines that tell others: a web address, and people."""

TELLS = """
pipeline: tells
variables: {tag: v1}
stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git"}
    tell:
      - webhook: https://hooks.example.com/secret-path?run=${SYS_INCREMENT}&tag=${tag}
        headers: {Authorization: Bearer hidden}
        when: [success]
  - name: more
    source: {git: "https://git.example.com/shop/api.git"}
"""
NOTIFIES = """
pipeline: notifies
notify:
  on_success: [{email: team@example.com}]
  on_failure: [{person: ann}, {phone: "+49 30 1234567"}, {gateway: pager}, {room: "model:c1"}, {email: ann@example.com}]
stages:
  - name: code
    source: {git: "https://git.example.com/shop/api.git"}
"""
