# A cluster on machines that are there: records of them, so that a plan shows what would be lost. Nothing is made.
#
#   network.tf  what the network must let through
#   hosts.tf    one record for each machine
#   lb.tf       the API endpoint, which the owner keeps
