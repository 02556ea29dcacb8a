# What check-commands changes in a documented command: only its size, and where the two scripts act.
s/--images [0-9]+/--images 16/g
s/--size [0-9]+/--size 72/g
s/--input-size [0-9]+/--input-size 64/g
s/--batch-size [0-9]+/--batch-size 4/g
s/--epochs [0-9]+/--epochs 1/g
s/--warmup-epochs [0-9]+/--warmup-epochs 0/g
s/--steps [0-9]+/--steps 2/g
s/--count [0-9]+/--count 2/g
s/--model [a-z]+/--model atto/g
# a training that chooses its length: two updates
/^fcmae (pretrain|finetune) /{/--(epochs|steps|config)/!s/$/ --steps 2/;}
s|^scripts/demo.*|"$ROOT/scripts/demo" --quick --output demo --program "$PROGRAM"|
# not inside itself
s|^scripts/test|: &|
